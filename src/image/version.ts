/**
 * Versions of base images, `MAJOR.MINOR.PATCH`.
 *
 * MAJOR.MINOR is the contract between an image and everything that a snapshot of it relies on after a restore: the
 * kernel command line, the layout of the disks, the mounts, the guest agent's place. It is a constant of this source
 * and changes with that contract. PATCH changes when the recipe changes within the contract (another package, a
 * smaller kernel command line). Which package versions went in is not part of the version: the digest names them.
 */
import { KelpieError } from '../base/errors.ts';

/** What this source builds. Bump PATCH with the recipe, MINOR or MAJOR with the contract. */
export const IMAGE_VERSION = '1.0.0';

export interface ImageVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** A release, an architecture and a name: what a snapshot records of its image and what a host has. */
export interface VersionedImage {
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly architecture?: string;
}

export type ImageCompatibility =
  | { readonly kind: 'identical' }
  /** Same MAJOR.MINOR; `notice` is a sentence for the user when PATCH or contents differ. */
  | { readonly kind: 'compatible'; readonly notice: string }
  | { readonly kind: 'incompatible'; readonly reason: string };

const pattern = /^(0|[1-9]\d{0,4})\.(0|[1-9]\d{0,4})\.(0|[1-9]\d{0,4})$/;

/** @throws KelpieError `invalid_argument` when `text` is not `MAJOR.MINOR.PATCH`. */
export function parseImageVersion(text: string): ImageVersion {
  const match = pattern.exec(text);
  if (match === null) {
    throw new KelpieError(
      'invalid_argument',
      `"${text}" is not an image version; write MAJOR.MINOR.PATCH, as 1.0.0.`,
    );
  }
  return { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3]) };
}

/** Negative when `a` is older than `b`. */
export function compareImageVersions(a: string, b: string): number {
  const [left, right] = [parseImageVersion(a), parseImageVersion(b)];
  return left.major - right.major || left.minor - right.minor || left.patch - right.patch;
}

/**
 * Whether a snapshot that was taken on `snapshotImage` may be restored where `hostImage` is what the host has.
 * A restore with another digest is a restore on other bytes of the root file system: what the guest has already read
 * stays as it was, what it reads later is the host's. Same MAJOR.MINOR says that this was meant to work.
 */
export function checkImageVersion(
  snapshotImage: VersionedImage,
  hostImage: VersionedImage,
): ImageCompatibility {
  if (snapshotImage.digest === hostImage.digest) return { kind: 'identical' };
  const needed = parseImageVersion(snapshotImage.version);
  const present = parseImageVersion(hostImage.version);
  const names = `${snapshotImage.name} ${snapshotImage.version}`;
  if (
    snapshotImage.architecture !== undefined &&
    hostImage.architecture !== undefined &&
    snapshotImage.architecture !== hostImage.architecture
  ) {
    const reason = `it needs the image ${names} for ${snapshotImage.architecture}, and this one is for ${hostImage.architecture}`;
    return { kind: 'incompatible', reason };
  }
  if (
    snapshotImage.name !== hostImage.name ||
    needed.major !== present.major ||
    needed.minor !== present.minor
  ) {
    const reason = `it needs the image ${snapshotImage.name} ${needed.major}.${needed.minor}, and this host has ${hostImage.name} ${hostImage.version}`;
    return { kind: 'incompatible', reason };
  }
  if (needed.patch !== present.patch) {
    return {
      kind: 'compatible',
      notice: `The snapshot was taken on image ${names}; this host has ${hostImage.version}.`,
    };
  }
  return {
    kind: 'compatible',
    notice: `This host's image ${names} was built from other packages than the snapshot's.`,
  };
}
