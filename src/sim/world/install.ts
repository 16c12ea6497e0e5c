/** What is on a simulated machine before anything runs: programs and an image. */
import { utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KIB } from '../../base/units.ts';
import type { PureCompute } from '../../env/compute.ts';
import { encodeImageInfo, sealImageInfo } from '../../image/image-info.ts';
import { IMAGE_FILE_NAMES } from '../../image/paths.ts';
import { syncFile } from '../disk/inode.ts';
import type { DirectoryInode } from '../disk/inode.ts';
import type { Volume } from '../disk/volume.ts';
import { simulatedVmlinuz } from './simulated-kernel.ts';

const IMAGE_FILE_BYTES: number = 12 * KIB;
const CPUINFO =
  'processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Simulated CPU\nflags\t\t: aes sse4_2\n\n';

/** A file that is durable from the beginning. */
export function install(volume: Volume, path: string, bytes: Bytes, mode = 0o600): void {
  const names = path.split('/').filter((name) => name !== '');
  const directory = installDirectory(volume, names.slice(0, -1).join('/'));
  const inode = volume.newFile(mode, 0);
  volume.allocate(inode, bytes.byteLength);
  inode.contents.write(bytes, 0);
  syncFile(inode);
  volume.change({ directory, name: names.at(-1) ?? '', inode });
  volume.syncDirectory(directory);
}

/** A directory that is durable from the beginning, with its parents. */
export function installDirectory(volume: Volume, path: string): DirectoryInode {
  let directory = volume.root;
  for (const name of path.split('/').filter((part) => part !== '')) {
    const found = directory.entries.get(name);
    const next = found?.kind === 'directory' ? found : volume.newDirectory(0o700, 0);
    if (found === undefined) {
      volume.change({ directory, name, inode: next });
      volume.syncDirectory(directory);
    }
    directory = next;
  }
  return directory;
}

/** The programs that the daemon looks for before it starts them. */
export function installPrograms(volume: Volume): void {
  for (const name of ['qemu-system-x86_64', 'qemu-img'])
    install(volume, `/usr/bin/${name}`, utf8(name), 0o755);
}

/** What a host needs for Firecracker, and a CPU that it has a template for. */
export function installFirecracker(volume: Volume): void {
  install(volume, '/usr/bin/firecracker', utf8('firecracker'), 0o755);
  install(volume, '/dev/kvm', utf8(''), 0o666);
  install(volume, '/proc/cpuinfo', utf8(CPUINFO), 0o444);
}

/** An image under a home. */
export function installImage(volume: Volume, home: string, compute: PureCompute): void {
  image ??= makeImage(compute);
  for (const [path, bytes] of image) install(volume, `${home}/images/${path}`, bytes);
}

/** The files of the image by path, the same in every world. Volumes copy them. */
let image: ReadonlyMap<string, Bytes> | null = null;

function makeImage(compute: PureCompute): ReadonlyMap<string, Bytes> {
  const contents = new Map(
    IMAGE_FILE_NAMES.map((name, index) => [
      name,
      name === 'kernel' ? simulatedVmlinuz() : new Uint8Array(IMAGE_FILE_BYTES).fill(index + 1),
    ]),
  );
  const files = [...contents].map(([name, bytes]) => ({
    name,
    sizeBytes: bytes.byteLength,
    sha256: compute.sha256(bytes),
  }));
  const info = sealImageInfo(compute, {
    formatVersion: 1,
    name: 'base',
    version: '1.0.0',
    architecture: 'x86_64',
    kernelVersion: '6.1',
    distribution: 'debian',
    release: 'bookworm',
    packages: [],
    agent: { version: '0.1.0', sha256: '0'.repeat(64) },
    rootKind: 'squashfs',
    kernelArguments: ['quiet'],
    files,
  });
  const installed = [...contents, ['image.json', encodeImageInfo(info)] as const];
  return new Map(installed.map(([name, bytes]) => [`${info.digest}/${name}`, bytes]));
}
