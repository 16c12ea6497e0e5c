/** Versions of Firecracker: which are supported, and what each of them can do. */
import { KelpieError } from '../../base/errors.ts';

export interface FirecrackerVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** What depends on the version, where this Kelpie uses it. Firecracker refuses fields that it does not know. */
export interface FirecrackerFeatures {
  /** `track_dirty_pages` of a load; before, `enable_diff_snapshots` was its name. Since 1.13. */
  readonly hasTrackOnLoad: boolean;
  /** `PUT /serial` with a rate limit. Since 1.16. */
  readonly hasSerialLimit: boolean;
  /** `vsock_override` of a load. Since 1.16. */
  readonly hasVsockOverride: boolean;
  /** Snapshots of what changed are right for memory in several pieces (more than 3 GiB on x86_64). Since 1.15. */
  readonly hasSoundDiffOfPieces: boolean;
  /** A bare pause and resume leaves vsock deaf until the next snapshot: 1.16. */
  readonly isVsockDeafAfterPause: boolean;
}

/** The oldest whose loads can name another network device. */
export const FIRECRACKER_OLDEST = '1.12';
/** The newest whose description this client was held against. */
export const FIRECRACKER_NEWEST_KNOWN = '1.16';

/** `1.16.1`, also as `Firecracker v1.16.1`, with a suffix as in `1.17.0-dev`. Null for anything else. */
export function parseVersion(text: string): FirecrackerVersion | null {
  const [, major, minor, patch] =
    /(?:^|\sv?|^v)(\d{1,3})\.(\d{1,3})\.(\d{1,4})(?:[-+][\w.-]+)?\s*$/.exec(text.trim()) ?? [];
  if (major === undefined || minor === undefined || patch === undefined) return null;
  return { major: Number(major), minor: Number(minor), patch: Number(patch) };
}

export function versionText({ major, minor, patch }: FirecrackerVersion): string {
  return `${major}.${minor}.${patch}`;
}

/** Negative when `a` is older. */
function compareToMinor({ major, minor }: FirecrackerVersion, text: string): number {
  const [otherMajor = 0, otherMinor = 0] = text.split('.').map(Number);
  return major - otherMajor || minor - otherMinor;
}

/** @throws KelpieError `backend_unavailable` for versions that this client cannot speak to. */
export function assertSupported(program: string, version: FirecrackerVersion): void {
  const { major } = version;
  const isTooNew = major > 1;
  if (!isTooNew && compareToMinor(version, FIRECRACKER_OLDEST) >= 0) return;
  const wanted = isTooNew ? 'a 1.x release, or a newer Kelpie' : `Firecracker ${FIRECRACKER_OLDEST} or newer`;
  throw new KelpieError(
    'backend_unavailable',
    `${program} is Firecracker ${versionText(version)}, which this Kelpie does not speak to: install ${wanted}.`,
    { data: { version: versionText(version), isTooNew } },
  );
}

/** True for a minor version that came after this client. It is used, and told. */
export function isNewerThanKnown(version: FirecrackerVersion): boolean {
  return compareToMinor(version, FIRECRACKER_NEWEST_KNOWN) > 0;
}

export function featuresOf(version: FirecrackerVersion): FirecrackerFeatures {
  const since = (text: string): boolean => compareToMinor(version, text) >= 0;
  return {
    hasTrackOnLoad: since('1.13'),
    hasSerialLimit: since('1.16'),
    hasVsockOverride: since('1.16'),
    hasSoundDiffOfPieces: since('1.15'),
    isVsockDeafAfterPause: version.major === 1 && version.minor === 16,
  };
}
