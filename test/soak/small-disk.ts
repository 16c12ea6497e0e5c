/**
 * A small file system for a host's home, which can be filled to its last byte: ext4 in a sparse file. Not one in memory: there the kernel needs room even to
 * read a hole of a mapped file, and ends a VMM that reads zeros when there is none, which no disk does. Needs root.
 */
import { mkdir, mkdtemp, open, rm, stat, statfs, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIB } from '../../src/base/units.ts';
import { eventually } from '../support/eventually.ts';
import { lastWords, runProgram } from './run-program.ts';

/** Not in the home: what a host finds there is its own. It is on the same file system, beside it. */
const BALLAST = 'ballast';
const CHUNK: Uint8Array = new Uint8Array(MIB);
const TRIAL_MIB = 16;

export class SmallDisk {
  /** Everything that is on it, of which a home is one part. */
  readonly path: string;
  readonly #file: string;

  private constructor(path: string, file: string) {
    this.path = path;
    this.#file = file;
  }

  static async mount(path: string, sizeMib: number): Promise<SmallDisk> {
    const disk = new SmallDisk(path, `${path}.ext4`);
    await mkdir(path);
    await writeFile(disk.#file, '');
    await truncate(disk.#file, sizeMib * MIB);
    // Nothing kept for root, who runs the hosts; tables are written when they are needed.
    await runProgram('mkfs.ext4', '-q', '-m', '0', '-E', 'lazy_itable_init=1', disk.#file);
    await runProgram('mount', '-o', 'loop', disk.#file, path);
    return disk;
  }

  /** Why it cannot be on this machine, in a sentence; null when it can. */
  static async trouble(): Promise<string | null> {
    const scratch = await mkdtemp(join(tmpdir(), 'kelpie-soak-'));
    try {
      await (await SmallDisk.mount(join(scratch, 'trial'), TRIAL_MIB)).unmount();
      return null;
    } catch (error) {
      return `Small disks cannot be mounted here: ${lastWords(error)}.`;
    } finally {
      await rm(scratch, { recursive: true });
    }
  }

  /** Leaves at most `freeBytes`. */
  async fill(freeBytes: number): Promise<void> {
    const path = join(this.path, BALLAST);
    const ballast = await open(path, 'a');
    try {
      let missing = (await this.#freeBytes()) - freeBytes;
      if (missing > CHUNK.byteLength)
        await runProgram('fallocate', '-l', String((await stat(path)).size + missing), path);
      for (; missing > 0; missing = (await this.#freeBytes()) - freeBytes)
        await ballast.write(CHUNK, 0, Math.min(missing, CHUNK.byteLength));
    } catch (error) {
      // The host took what was left between the question and our write.
      if (!/ENOSPC|No space left/.test(String(error))) throw error;
    } finally {
      await ballast.close();
    }
  }

  async empty(): Promise<void> {
    await rm(join(this.path, BALLAST), { force: true });
  }

  /** A process that was killed may still hold a file of it. */
  async unmount(): Promise<void> {
    await eventually(async () => isDone(runProgram('umount', this.path)), `${this.path} is unmounted`);
    await rm(this.#file);
  }

  async #freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize;
  }
}

async function isDone(unmounting: Promise<string>): Promise<boolean> {
  try {
    await unmounting;
    return true;
  } catch (error) {
    if (/busy/.test(String(error))) return false;
    throw error;
  }
}
