/** The initramfs: the guest agent as `/init`, and the modules that it loads before there is a root file system. */
import { utf8 } from '../../base/bytes.ts';
import { encodeCpio } from './cpio-writer.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { CpioEntry } from './cpio-writer.ts';
import type { ResolvedModule } from './kernel-modules.ts';

/**
 * The archive, uncompressed: it is 2.5 MB, and unpacking compressed ones took as long as reading it (measured, see
 * docs/adr/0010-base-image.md). `/dev/console` is there because the kernel opens it for `/init` before anything is mounted.
 */
export function encodeInitramfs(agent: Bytes, modules: readonly ResolvedModule[]): Bytes {
  const directory = (path: string): CpioEntry => ({ kind: 'directory', path, mode: 0o755 });
  const list = modules.map((module) => `modules/${module.name}.ko\n`).join('');
  return encodeCpio([
    directory('dev'),
    { kind: 'character', path: 'dev/console', mode: 0o600, device: [5, 1] },
    { kind: 'file', path: 'init', mode: 0o755, content: agent },
    directory('kelpie'),
    { kind: 'file', path: 'kelpie/modules.list', mode: 0o644, content: utf8(list) },
    directory('kelpie/modules'),
    ...modules.map((module): CpioEntry => {
      return { kind: 'file', path: `kelpie/modules/${module.name}.ko`, mode: 0o644, content: module.content };
    }),
  ]);
}
