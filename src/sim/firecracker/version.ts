/** Which Firecracker this one says it is, and what that one knew. */

export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

export const VERSION_DEFAULT = '1.16.1';

/** The version of the format of snapshots, by the minor version of the binary that writes them, newest first. */
const snapshotFormats: readonly (readonly [minor: number, format: number])[] = [
  [16, 10],
  [15, 9],
  [13, 8],
  [12, 6],
  [11, 5],
  [10, 4],
];

/** @throws Error when `text` is not `MAJOR.MINOR.PATCH`, or older than what this stand-in knows. */
export function parseVersion(text: string): Version {
  const [, major, minor, patch] = /^v?(\d+)\.(\d+)\.(\d+)$/.exec(text) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) {
    throw new Error(`${text} is not a version: write one as ${VERSION_DEFAULT}`);
  }
  const version = { major: Number(major), minor: Number(minor), patch: Number(patch) };
  if (version.major !== 1 || version.minor < 10)
    throw new Error(`${text}: the stand-in knows 1.10 and newer`);
  return version;
}

export function formatVersion({ major, minor, patch }: Version): string {
  return `${major}.${minor}.${patch}`;
}

/** What `version` writes into a snapshot's state file. */
export function snapshotFormat({ minor }: Version): Version {
  const [, major = 0] = snapshotFormats.find(([since]) => minor >= since) ?? [];
  return { major, minor: 0, patch: 0 };
}

/** Since which `1.MINOR` there is a request (`PUT /serial`), or a field of one (`SerialDevice.rate_limiter`). */
const since: Readonly<Record<string, number>> = {
  'CpuConfig.kvm_capabilities': 11,
  'CpuConfig.vcpu_features': 11,
  'SnapshotLoadParams.network_overrides': 12,
  'SnapshotLoadParams.track_dirty_pages': 13,
  'MmdsConfig.imds_compat': 13,
  'SnapshotLoadParams.clock_realtime': 14,
  'Balloon.free_page_hinting': 14,
  'Balloon.free_page_reporting': 14,
  'PATCH /balloon/hinting/start': 14,
  'GET /balloon/hinting/status': 14,
  'PATCH /balloon/hinting/stop': 14,
  'PUT /pmem/{id}': 14,
  'PUT /serial': 14,
  'PUT /hotplug/memory': 14,
  'PATCH /hotplug/memory': 14,
  'GET /hotplug/memory': 14,
  'PATCH /pmem/{id}': 16,
  'Pmem.rate_limiter': 16,
  'NetworkInterface.mtu': 16,
  'SnapshotLoadParams.vsock_override': 16,
  'SerialDevice.rate_limiter': 16,
};

/** Whether `version` knew a request or field. */
export function isKnown(name: string, { minor }: Version): boolean {
  return minor >= (since[name] ?? 0);
}

/**
 * Whether a bare pause and resume, without a snapshot between them, leaves what comes from the host unheard: a defect of these
 * two (Firecracker's pull request 6100).
 */
export function losesVsockOnResume({ minor, patch }: Version): boolean {
  return minor === 16 && patch <= 1;
}
