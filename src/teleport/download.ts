/**
 * A package on its way to this host: `downloads/PACKAGE/`, which outlives a restore that was cut, so that the next one of the same
 * package goes on where it stopped.
 *
 *     memory.part, disk.part    as long as the memory and the disk; pages that have arrived, holes for the others
 *     memory.done, disk.done    which frames of it are on the disk (`fetch-journal.ts`)
 *
 *     nothing ──begin──▶ part ──fetch──▶ part, journal ──finish──▶ a second name among the blobs ──forget──▶ nothing
 *                          └──── a crash anywhere: the next restore goes on; nobody does for a day: swept ────┘
 *
 * What is finished gets its name among the blobs by a link, and the download is forgotten only when the VM runs: so a restore that fails
 * after its download, because the claim was lost or the VM did not start, need not download again either. A part has no other page than
 * those of its package, so writing a page twice changes nothing for whoever has the file under its other name.
 */
import { parentDirectory } from '../env/durable-files.ts';
import { isSystemError } from '../env/system-error.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import { FetchJournalFile } from './fetch-journal.ts';
import type { Env } from '../env/env.ts';
import type { FileHandle } from '../env/files.ts';
import type { FetchJournal } from '../store/teleport-storage.ts';

type DownloadEnv = Pick<Env, 'files' | 'compute'>;

export interface DownloadPart {
  readonly file: FileHandle;
  readonly journal: FetchJournal;
}

export class Download {
  readonly #env: DownloadEnv;
  readonly #directory: string;

  /** @param directory `HostPlaces.download`. One restore uses it at a time: the VM's lock sees to it. */
  constructor(env: DownloadEnv, directory: string) {
    this.#env = env;
    this.#directory = directory;
  }

  /**
   * Opens what there is of a part, or begins it. The caller closes the file.
   * @param frameCount of the map whose frames the journal counts; a package's map never changes.
   */
  async open(paged: 'memory' | 'disk', sizeBytes: number, frameCount: number): Promise<DownloadPart> {
    return await attemptLocally(
      'store what is downloaded',
      async () =>
        (await this.#goOn(paged, sizeBytes, frameCount)) ?? (await this.#begin(paged, sizeBytes, frameCount)),
    );
  }

  /** Gives a part that is whole, and synced, a second name, durably. */
  async finish(paged: 'memory' | 'disk', path: string): Promise<void> {
    await attemptLocally('store what was downloaded', async () => {
      await this.#env.files.link(this.#part(paged), path);
      await this.#env.files.syncDirectory(parentDirectory(path));
    });
  }

  async forget(): Promise<void> {
    await attemptLocally('clean up after the download', () => this.#env.files.removeTree(this.#directory));
  }

  async #goOn(paged: 'memory' | 'disk', sizeBytes: number, frameCount: number): Promise<DownloadPart | null> {
    const journal = await FetchJournalFile.read(this.#env, this.#journal(paged), frameCount);
    if (journal === null) return null;
    let file: FileHandle;
    try {
      file = await this.#env.files.open(this.#part(paged), 'r+');
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null;
      throw error;
    }
    if ((await file.stat()).sizeBytes === sizeBytes) return { file, journal };
    await file.close();
    return null;
  }

  /** From nothing: an old part is not cut short but left to whoever has it under its other name. */
  async #begin(paged: 'memory' | 'disk', sizeBytes: number, frameCount: number): Promise<DownloadPart> {
    const { files } = this.#env;
    await files.makeDirectory(this.#directory);
    await files.removeTree(this.#journal(paged));
    // No power cut can bring the old journal back beside the new part.
    await files.syncDirectory(this.#directory);
    await files.removeTree(this.#part(paged));
    const file = await files.open(this.#part(paged), 'wx');
    try {
      await file.truncate(sizeBytes);
      const downloads = parentDirectory(this.#directory);
      for (const directory of [this.#directory, downloads, parentDirectory(downloads)])
        await files.syncDirectory(directory);
    } catch (error) {
      await file.close();
      throw error;
    }
    return { file, journal: FetchJournalFile.begin(this.#env, this.#journal(paged), frameCount) };
  }

  #part(paged: 'memory' | 'disk'): string {
    return `${this.#directory}/${paged}.part`;
  }

  #journal(paged: 'memory' | 'disk'): string {
    return `${this.#directory}/${paged}.done`;
  }
}
