/** What lies behind a refusal of Firecracker to start: it tells in its own words what the host lacks. */
import { isKelpieError, KelpieError } from '../../base/errors.ts';
import type { Files } from '../../env/files.ts';
import { isSystemError } from '../../env/system-error.ts';

/** What is looked at of a host: whether a device can be opened. */
export interface HostDevices {
  readonly files: Pick<Files, 'open'>;
}

/** The error to be thrown for `error`: what the host lacks, or the refusal itself under `code`. */
export async function explainRefusal(
  env: HostDevices,
  error: unknown,
  code: 'vm_start_failed' | 'snapshot_failed' = 'vm_start_failed',
): Promise<unknown> {
  if (!isKelpieError(error, 'vm_backend_failed') || typeof error.data['fault'] !== 'string') return error;
  const fault = error.data['fault'];
  if (/out of memory|cannot allocate memory|os error 12\b/i.test(fault)) {
    const message =
      'this host has not enough free memory for the VM: stop others, or give it less (--memory).';
    return new KelpieError('vm_start_failed', message, { cause: error, data: { fault } });
  }
  if (/no space left|os error 28\b/i.test(fault)) {
    const message = `this host's disk is full; free some space and try again.`;
    return new KelpieError('disk_full', message, { cause: error, data: { fault } });
  }
  if (/kvm/i.test(fault)) return (await kvmProblem(env, error)) ?? as(code, error);
  return as(code, error);
}

function as(code: 'vm_start_failed' | 'snapshot_failed', error: KelpieError): KelpieError {
  return new KelpieError(code, error.message, { cause: error, data: error.data });
}

async function kvmProblem(env: HostDevices, cause: unknown): Promise<KelpieError | null> {
  const problem = await findKvmProblem(env);
  if (problem === null) return null;
  return new KelpieError(problem.code, `${problem.text}.`, { cause });
}

/** Why nobody can use `/dev/kvm`, or this user cannot, with what to do, without a full stop; null when it can be opened. */
export async function findKvmProblem({ files }: HostDevices): Promise<{
  readonly code: 'backend_unavailable' | 'permission_denied';
  readonly text: string;
} | null> {
  try {
    await (await files.open('/dev/kvm', 'r+')).close();
    return null;
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENODEV', 'ENXIO')) {
      return {
        code: 'backend_unavailable',
        text: 'there is no /dev/kvm: turn virtualization on in the firmware (or nested virtualization in the cloud), and load kvm_intel or kvm_amd',
      };
    }
    if (isSystemError(error, 'EACCES', 'EPERM')) {
      return {
        code: 'permission_denied',
        text: 'this user may not use /dev/kvm: `sudo usermod -aG kvm $USER`, then log in again',
      };
    }
    throw error;
  }
}
