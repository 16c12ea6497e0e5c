import type { Bytes } from '../../src/base/bytes.ts';
import { concat, utf8 } from '../../src/base/bytes.ts';
import { KelpieError } from '../../src/base/errors.ts';
import { comparePacks, packsOf } from '../../src/store/packages/frame-table.ts';
import type { PackageManifest } from '../../src/store/packages/manifest.ts';
import type { PackName } from '../../src/store/packages/pack-name.ts';
import type { PackageSealing } from '../../src/store/packages/sealing.ts';
import { plainSealing } from '../../src/store/packages/sealing.ts';
import type { FrameInfo } from '../../src/store/packages/store-map.ts';
import { rawBytesOf } from '../../src/store/packages/stored-stream.ts';
import type { StoredStream } from '../../src/store/packages/stored-stream.ts';
import { sampleFrame, sampleSession, sha256Compute } from './sample-maps.ts';
import { sampleMetadata } from './sample-package.ts';

export function sampleStream(frames: readonly FrameInfo[]): StoredStream {
  return { frames, sizeBytes: rawBytesOf(frames), sha256: sha256Compute.sha256(utf8(`${frames.length}`)) };
}

const frame = (session: number, pack: number, number: number): FrameInfo =>
  sampleFrame({ session, pack, number }, 1 + number);

/** Two packs of its own, one of an older package. */
export function sampleManifest(): Pick<PackageManifest, 'packs' | 'ownPacks' | 'body'> {
  const streams = [
    sampleStream([frame(5, 0, 1), frame(5, 0, 2), frame(5, 1, 0)]),
    sampleStream([frame(5, 1, 1)]),
    sampleStream([]),
    { ...sampleStream([frame(5, 1, 2)]), sizeBytes: 99, table: sampleStream([frame(2, 7, 0)]) },
  ] as const;
  const [deviceState, memoryMap, diskMap, { table }] = streams;
  const own: readonly PackName[] = [0, 1].map((number) => ({ session: sampleSession(5), number }));
  const others = packsOf(table.frames).toSorted(comparePacks);
  return {
    packs: [...own, ...others],
    ownPacks: own.length,
    body: {
      metadata: sampleMetadata,
      parentId: 'cd'.repeat(32),
      sizes: { memoryBytes: 4096, diskBytes: 0, ownBytes: 5000, sharedBytes: 1001 },
      deviceState,
      memoryMap,
      diskMap,
      imageFiles: [{ name: 'rootfs', stream: { sizeBytes: 99, sha256: 'ef'.repeat(32), table } }],
    },
  };
}

/** A seal that hides nothing but is as strict as a real one about what it is bound to. */
export const fakeSealing: PackageSealing = {
  ...plainSealing,
  isEncrypted: true,
  recipientCount: 1,
  seal: (plain, bound) => ({ keyId: 'key-1', salt: '00ff', bytes: concat([tagOf(plain, bound), plain]) }),
  open: ({ bytes }, bound) => {
    const plain = bytes.subarray(64);
    if (tagOf(plain, bound).some((byte, index) => byte !== bytes[index]))
      throw new KelpieError('package_corrupt', 'the seal of a package is broken.');
    return plain;
  },
  sign: (message) => ({ publicKey: 'signer', value: sha256Compute.sha256(message) }),
  verify: (message, signature) => {
    if (signature?.value !== sha256Compute.sha256(message))
      throw new KelpieError('package_corrupt', 'the signature of a package is wrong.');
    return signature.publicKey;
  },
};

function tagOf(plain: Bytes, bound: Bytes): Bytes {
  return utf8(sha256Compute.sha256(concat([plain, Uint8Array.of(0), bound])));
}
