/**
 * Which modules an initramfs carries, in which order they load. A module's own `.modinfo` section says what it needs
 * (`depends=a,b`, `softdep=pre: c`); packages ship no `modules.dep`, since depmod makes it at installation.
 */
import { fromUtf8Lossy, utf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { INITRAMFS_MODULES_MAX } from '../limits.ts';
import type { Bytes } from '../../base/bytes.ts';

export interface ResolvedModule {
  /** With underscores, as the kernel names it. */
  readonly name: string;
  /** The ELF file, uncompressed. */
  readonly content: Bytes;
}

/** What virtio devices and the root's file systems need, on every architecture. Dependencies come by themselves. */
export const initramfsModules = [
  'virtio_pci',
  'virtio_mmio',
  'virtio_blk',
  'virtio_console',
  'virtio_net',
  'virtio_rng',
  'virtio_balloon',
  'vmw_vsock_virtio_transport',
  'squashfs',
  'overlay',
  'ext4',
] as const;

/** `virtio-rng.ko.xz` → `virtio_rng`: file names and module names differ in this. */
export function moduleName(fileName: string): string {
  return (fileName.split('/').at(-1) ?? '').replace(/\.ko(\.[a-z]+)?$/, '').replaceAll('-', '_');
}

/**
 * The wanted modules and all that they need, each after what it needs.
 * @param read the module of that name, or null when the kernel has none.
 * @throws KelpieError `image_build_failed` when one is neither built in nor there.
 */
export async function resolveModules(
  wanted: readonly string[],
  builtIn: ReadonlySet<string>,
  read: (name: string) => Promise<Bytes | null>,
): Promise<readonly ResolvedModule[]> {
  const resolved = new Map<string, ResolvedModule>();
  const visiting = new Set<string>();
  const visit = async (name: string, isRequired: boolean): Promise<void> => {
    if (builtIn.has(name) || visiting.has(name)) return;
    visiting.add(name);
    if (visiting.size > INITRAMFS_MODULES_MAX) {
      throw new KelpieError(
        'image_build_failed',
        `More than ${INITRAMFS_MODULES_MAX} kernel modules are needed to boot.`,
      );
    }
    const content = await read(name);
    if (content === null) {
      if (!isRequired) return;
      throw new KelpieError('image_build_failed', `The kernel has no module ${name}.`);
    }
    const info = moduleInfo(content);
    for (const dependency of info.soft) await visit(dependency, false);
    for (const dependency of info.hard) await visit(dependency, true);
    resolved.set(name, { name, content });
  };
  for (const name of wanted) await visit(name, true);
  return [...resolved.values()];
}

/** What a module says it needs. */
export function moduleInfo(content: Bytes): {
  readonly hard: readonly string[];
  readonly soft: readonly string[];
} {
  const hard = modinfoValues(content, 'depends').flatMap((value) => value.split(','));
  const soft = modinfoValues(content, 'softdep').flatMap((value) => {
    return /\bpre:\s*([^:]*)(?:\bpost:|$)/.exec(value)?.[1]?.split(/\s+/) ?? [];
  });
  const names = (all: readonly string[]): readonly string[] =>
    all.filter((name) => name !== '').map(moduleName);
  return { hard: names(hard), soft: names(soft) };
}

/** Values of `KEY=VALUE` strings between zero bytes: the layout of the `.modinfo` section. */
function modinfoValues(content: Bytes, key: string): readonly string[] {
  const needle = utf8(`\0${key}=`);
  const values: string[] = [];
  for (let at = indexOf(content, needle, 0); at >= 0; at = indexOf(content, needle, at + 1)) {
    const start = at + needle.byteLength;
    const end = content.indexOf(0, start);
    values.push(fromUtf8Lossy(content.subarray(start, end < 0 ? content.byteLength : end)));
  }
  return values;
}

function indexOf(content: Bytes, needle: Bytes, from: number): number {
  const [first = 0] = needle;
  for (let at = content.indexOf(first, from); at >= 0; at = content.indexOf(first, at + 1)) {
    if (needle.every((byte, index) => content[at + index] === byte)) return at;
  }
  return -1;
}
