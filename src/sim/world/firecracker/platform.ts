/** What stands behind Firecracker's rules in the simulator: a simulated machine's files and guests. */
import type { Bytes } from '../../../base/bytes.ts';
import { MIB } from '../../../base/units.ts';
import { SystemError } from '../../../env/system-error.ts';
import type { FileInode } from '../../disk/inode.ts';
import { lookup } from '../../disk/paths.ts';
import { Fault } from '../../firecracker/fault.ts';
import { text } from '../../firecracker/fields.ts';
import { kernelFault } from '../../firecracker/resources.ts';
import type { Configured, Platform, Start } from '../../firecracker/platform.ts';
import type { Version } from '../../firecracker/version.ts';
import { SimMachine } from './machine.ts';
import type { SimFirecracker } from './machine.ts';
import type { Tap } from './kernel-objects.ts';
import { SimVsock } from './vsock.ts';

/** `\x7fELF`. */
const ELF_MAGIC: readonly number[] = [0x7f, 0x45, 0x4c, 0x46];
/** Of a file's mode. */
const OTHERS_READ = 0o4;
const OTHERS_WRITE = 0o2;
const FILE_BYTES_MAX: number = 16 * MIB;

export class SimPlatform implements Platform<SimMachine> {
  readonly version: Version;
  readonly #firecracker: SimFirecracker;
  #machine: SimMachine | null = null;

  constructor(firecracker: SimFirecracker, version: Version) {
    this.#firecracker = firecracker;
    this.version = version;
  }

  /** What was launched. */
  get machine(): SimMachine | null {
    return this.#machine;
  }

  /** A caged process is another user than whoever shows it its files. */
  assertMayOpen(path: string, access: 'r' | 'rw'): void {
    const { mode } = this.#file(path);
    const wanted = access === 'r' ? OTHERS_READ : OTHERS_READ | OTHERS_WRITE;
    const { root, uid } = this.#firecracker.process;
    if (root !== '/' && uid !== 0 && (mode & wanted) !== wanted)
      throw new SystemError('EACCES', 'open', path);
  }

  sizeOf(path: string): number {
    return this.#file(path).contents.sizeBytes;
  }

  /** Where there is none root makes one, which goes with its process. */
  assertTap(name: string, failure: string): void {
    const { uid } = this.#firecracker.process;
    const tap = this.#tap(name);
    const isBusy = tap?.attached?.isAlive === true;
    if (!isBusy && (uid === 0 || tap?.ownerUid === uid)) return;
    const why = isBusy ? 'Device or resource busy (os error 16)' : 'Operation not permitted (os error 1)';
    const reason = `Error while creating ifreq structure: ${why}. Invalid TUN/TAP Backend provided by ${name}.`;
    throw new Fault(`${failure}Open tap device failed: ${reason}`);
  }

  bootableKernel(path: string): string {
    const head = new Uint8Array(ELF_MAGIC.length);
    this.#file(path).contents.read(head, 0);
    if (!ELF_MAGIC.every((byte, index) => head[index] === byte)) throw kernelFault();
    return path;
  }

  async readFile(path: string): Promise<Bytes> {
    const { env, at } = this.#firecracker;
    return await env.files.readFile(at(path), FILE_BYTES_MAX);
  }

  async writeFile(path: string, bytes: Bytes): Promise<void> {
    const { env, at } = this.#firecracker;
    const file = await env.files.open(at(path), 'w');
    try {
      await file.write(bytes, 0);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async listenVsock(path: string): Promise<SimVsock> {
    return await SimVsock.listen(this.#firecracker, path);
  }

  async launch(configured: Configured, start: Start, isAgentListening: boolean): Promise<SimMachine> {
    this.#attach(configured);
    this.#machine = new SimMachine(this.#firecracker, configured, start, isAgentListening);
    return this.#machine;
  }

  /** A guest whose device is not the one that was made for it, or does not carry anything, has a network by name only. */
  #attach({ devices }: Configured): void {
    const { process, truth } = this.#firecracker;
    for (const net of devices.networkInterfaces) {
      const name = text(net, 'host_dev_name');
      const tap = this.#tap(name);
      if (tap === null || !tap.isUp)
        return truth.violated(
          'host',
          `a VM is started on ${name}, which ${tap === null ? 'nobody made' : 'is down'}`,
        );
      tap.attached = process;
      truth.mark('tap: used');
    }
  }

  #tap(name: string): Tap | null {
    const { kernel, process } = this.#firecracker;
    return kernel?.tap(process.namespace, name) ?? null;
  }

  /** @throws SystemError. */
  #file(path: string): FileInode {
    const { process, at } = this.#firecracker;
    const { inode } = lookup(process.machine, at(path), 'open');
    if (inode.kind !== 'file')
      throw new SystemError(inode.kind === 'directory' ? 'EISDIR' : 'ENXIO', 'open', path);
    return inode;
  }
}
