/** Workspaces that a checkpoint must not be made of, as a guest that is broken or means harm sends them. */
import { concat, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { ArchiveEntry } from '../../checkpoint/entry.ts';
import { encodeTarEntry } from '../../checkpoint/tar-writer.ts';
import { TAR_BLOCK_BYTES } from '../../image/build/tar-format.ts';
import { encodeTarBlock, encodeTarEnd, encodeTarPadding } from '../../image/build/tar-writer.ts';
import type { Prng } from '../prng.ts';

const common = { mode: 0o644, uid: 0, gid: 0, modified: '1', target: '', extended: {} } as const;
const secret = utf8('root::0:0:::\n');

/** @param folder the workspace. @param whole what its `tar` wrote, which ended well. */
export function oddFiles(random: Prng, folder: string, whole: Bytes): Bytes {
  const workspace = encodeTarEntry({ ...common, path: folder, kind: 'directory', sizeBytes: 0 });
  const link = encodeTarEntry({
    ...common,
    path: `${folder}/out`,
    kind: 'symlink',
    target: '/etc',
    sizeBytes: 0,
  });
  return random.pick<() => Bytes>([
    () => concat([workspace, ...file('etc/passwd')]),
    () => concat([workspace, ...file(`${folder}/../etc/passwd`)]),
    () => concat([workspace, link, ...file(`${folder}/out/passwd`)]),
    () => concat([workspace, hardLink(`${folder}/twin`, 'etc/passwd')]),
    () => concat([workspace, device(`${folder}/disk`), encodeTarEnd()]),
    () => concat([workspace, ...file(`${folder}/twice`), ...file(`${folder}/twice`)]),
    () => whole.subarray(0, random.between(1, TAR_BLOCK_BYTES - 1)),
    () => random.bytes(whole.byteLength),
  ])();
}

function file(path: string): readonly Bytes[] {
  const entry: ArchiveEntry = { ...common, path, kind: 'file', sizeBytes: secret.byteLength };
  return [encodeTarEntry(entry), secret, encodeTarPadding(secret.byteLength)];
}

function hardLink(path: string, target: string): Bytes {
  return concat([
    encodeTarEntry({ ...common, path, kind: 'hardlink', target, sizeBytes: 0 }),
    encodeTarEnd(),
  ]);
}

function device(path: string): Bytes {
  const header = { mode: 0o600, uid: 0, gid: 0, modifiedSeconds: 1, sizeBytes: 0 };
  return encodeTarBlock(header, { path: utf8(path), type: '4', magic: 'ustar\u000000' });
}
