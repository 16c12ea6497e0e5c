/** Which packages the ownership records of a store need. */
import type { OwnershipRecord } from './ownership-records.ts';

/** True when the package is the VM: it is at rest there, or will be in a moment. */
export function isAtRestIn(record: OwnershipRecord, packageId: string): boolean {
  return (record.state === 'at-rest' || record.state === 'departing') && record.packageId === packageId;
}

/**
 * True when a VM is at rest in a package, or would go back to it when its host is gone, or may be at rest in it in a moment.
 * @param vmId of the package's VM; null when it is not known.
 */
export function holdsPackage(record: OwnershipRecord, packageId: string, vmId: string | null): boolean {
  if ('packageId' in record && record.packageId === packageId) return true;
  return record.state === 'departing' && record.vmId === vmId;
}
