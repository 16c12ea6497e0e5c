import { z } from 'zod';
import { assert } from '../base/assert.ts';
import { utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { canonicalJson } from '../base/canonical-json.ts';
import { KelpieError, isKelpieError } from '../base/errors.ts';
import { MIB, PAGE_BYTES } from '../base/units.ts';
import { isUuid } from '../base/uuid.ts';
import { replaceDurably } from '../env/durable-files.ts';
import type { Env } from '../env/env.ts';
import { listIfThere } from '../env/list-if-there.ts';
import { isSystemError } from '../env/system-error.ts';
import { PAGES_MAX, PAGE_FILES_MAX } from './limits.ts';
import { attemptLocally } from './local-failure.ts';
import type { DiskLayer, MemoryImage } from './local-snapshot.ts';
import { metadataSchema, parseDocument, uuidSchema } from './metadata-codec.ts';
import type { SnapshotMetadata } from './metadata.ts';

/** A snapshot as it lies on this host: `snapshot.json`, and where the rest is. */
export interface LocalSnapshot {
  readonly metadata: SnapshotMetadata;
  readonly directory: string;
  readonly deviceStatePath: string;
  readonly deviceStateBytes: number;
  readonly memory: MemoryImage;
  /** Frozen layers, bottom first. */
  readonly disk: readonly DiskLayer[];
  /** What the VM had written to memory since it started from its base. */
  readonly dirtyBytes: number;
  /** What the guest felt, in whole milliseconds. */
  readonly pauseMs: number;
}

export type SnapshotListing =
  | { readonly damaged: false; readonly id: string; readonly snapshot: LocalSnapshot }
  | { readonly damaged: true; readonly id: string; readonly reason: string };

/** What is said about a snapshot once its files are there. */
export type SnapshotFacts = Omit<LocalSnapshot, 'directory' | 'deviceStatePath' | 'memory'> & {
  readonly memory: Pick<MemoryImage, 'pageFiles' | 'mappable'>;
};

const FORMAT_VERSION = 1;
const DISK_LAYERS_LISTED_MAX = 1024;
/** `snapshot.json` names page files by the thousand after a long history. */
const SNAPSHOT_JSON_BYTES_MAX: number = 4 * MIB;

const layerSchema: z.ZodType<DiskLayer> = z.strictObject({
  id: uuidSchema,
  format: z.enum(['raw', 'qcow2']),
  sizeBytes: z
    .int()
    .min(1)
    .max(PAGES_MAX * PAGE_BYTES),
});

const snapshotSchema: z.ZodType<SnapshotFacts & { readonly formatVersion: 1 }> = z.strictObject({
  formatVersion: z.literal(FORMAT_VERSION),
  metadata: metadataSchema,
  deviceStateBytes: z.int().nonnegative(),
  memory: z.strictObject({
    pageFiles: z.array(uuidSchema).max(PAGE_FILES_MAX),
    mappable: uuidSchema.nullable(),
  }),
  disk: z.array(layerSchema).max(DISK_LAYERS_LISTED_MAX),
  dirtyBytes: z.int().nonnegative(),
  pauseMs: z.int().nonnegative(),
});

/**
 * The snapshots of this host's VMs: `vms/VM/snapshots/ID/{snapshot.json,device-state,memory.map}`, and at most one of each VM under `vms/VM/aside/`. `snapshot.json` is
 * written last and durably, so a directory without one is a snapshot that never came to be.
 *
 * Ids that are no UUIDs name nothing: `snapshot_not_found`.
 */
export class LocalSnapshots {
  readonly #env: Pick<Env, 'files'>;
  readonly #home: string;

  /** @param home absolute path of `KELPIE_HOME`. */
  constructor(env: Pick<Env, 'files'>, home: string) {
    this.#env = env;
    this.#home = home;
  }

  /** Makes the snapshot's empty directory, durably, and returns its path: what `VmInstance.snapshot` fills. */
  async prepare(vmId: string, snapshotId: string): Promise<string> {
    const directory = this.#directory(vmId, snapshotId);
    await attemptLocally('make room for the snapshot', async () => {
      await this.#env.files.makeDirectory(directory);
      for (const parent of [this.#snapshots(vmId), this.#vm(vmId)])
        await this.#env.files.syncDirectory(parent);
    });
    return directory;
  }

  /** Makes the snapshot exist. Its files and blobs are durable already. @throws KelpieError `snapshot_corrupt` for facts that nobody could read back. */
  async complete(facts: SnapshotFacts): Promise<LocalSnapshot> {
    const { vmId, snapshotId } = facts.metadata;
    const directory = this.#directory(vmId, snapshotId);
    await attemptLocally('write down the snapshot', async () => {
      await this.#env.files.syncDirectory(directory);
      await this.#write(directory, facts);
    });
    return located(facts, directory);
  }

  /** @throws KelpieError `snapshot_not_found`, `snapshot_corrupt`, `package_too_new`. */
  async read(vmId: string, snapshotId: string): Promise<LocalSnapshot> {
    const found = await this.#readIfThere(vmId, snapshotId);
    if (found === null) throw notFound(snapshotId);
    return found;
  }

  /** Complete snapshots of a VM, oldest first; damaged ones at the end, with the reason. */
  async list(vmId: string): Promise<readonly SnapshotListing[]> {
    const whole: LocalSnapshot[] = [];
    const damaged: SnapshotListing[] = [];
    for (const id of await this.ids(vmId)) {
      try {
        const snapshot = await this.#readIfThere(vmId, id);
        if (snapshot !== null) whole.push(snapshot);
      } catch (error) {
        if (!isKelpieError(error, 'snapshot_corrupt', 'package_too_new')) throw error;
        damaged.push({ damaged: true, id, reason: error.message });
      }
    }
    whole.sort((a, b) => a.metadata.createdAtUnixMs - b.metadata.createdAtUnixMs);
    return [
      ...whole.map((snapshot) => ({ damaged: false, id: snapshot.metadata.snapshotId, snapshot }) as const),
      ...damaged,
    ];
  }

  /** Snapshots of a VM by id, complete or not, damaged or not, in no order. */
  async ids(vmId: string): Promise<readonly string[]> {
    if (!isUuid(vmId)) return [];
    const names = await attemptLocally(
      'list the snapshots',
      async () => await listIfThere(this.#env.files, this.#snapshots(vmId)),
    );
    return names.filter(isUuid);
  }

  /** Remembers, or forgets, the file that holds the whole memory. A remembered one is durable already. */
  async setMappable(snapshot: LocalSnapshot, mappable: string | null): Promise<LocalSnapshot> {
    assert(mappable === null || isUuid(mappable), 'a page file is named by a UUID');
    const facts = { ...snapshot, memory: { ...snapshot.memory, mappable } };
    await attemptLocally('write down the snapshot', async () => await this.#write(snapshot.directory, facts));
    return facts;
  }

  /** Removes a snapshot, complete or not; no error when it is not there. Its blobs go with the next `collectBlobs`. */
  async delete(vmId: string, snapshotId: string): Promise<void> {
    const { files } = this.#env;
    const directory = this.#directory(vmId, snapshotId);
    await attemptLocally('remove the snapshot', async () => {
      await files.removeTree(`${directory}/snapshot.json`);
      await files.removeTree(directory);
      if ((await listIfThere(this.#env.files, this.#vm(vmId))).includes('snapshots'))
        await files.syncDirectory(this.#snapshots(vmId));
    });
  }

  /**
   * Keeps a whole snapshot that nobody asked for in the end, in place of the one that was kept so before: what of it a store has already is not
   * sent again. It is not listed, and nothing is lost with it. No error when it was set aside already.
   */
  async setAside(vmId: string, snapshotId: string): Promise<void> {
    const { files } = this.#env;
    const aside = this.#aside(vmId);
    await attemptLocally('set the snapshot aside', async () => {
      if (!(await this.ids(vmId)).includes(snapshotId)) return;
      await files.removeTree(aside);
      await files.makeDirectory(aside);
      await files.rename(this.#directory(vmId, snapshotId), `${aside}/${snapshotId}`);
      for (const parent of [aside, this.#snapshots(vmId), this.#vm(vmId)]) await files.syncDirectory(parent);
    });
  }

  /** The snapshot that was set aside; null when there is none, or it cannot be read. */
  async aside(vmId: string): Promise<LocalSnapshot | null> {
    if (!isUuid(vmId)) return null;
    const names = await attemptLocally('look for what was set aside', () =>
      listIfThere(this.#env.files, this.#aside(vmId)),
    );
    const [snapshotId] = names.filter(isUuid);
    if (snapshotId === undefined) return null;
    try {
      return await this.#readIn(`${this.#aside(vmId)}/${snapshotId}`, vmId, snapshotId);
    } catch (error) {
      if (isKelpieError(error, 'snapshot_corrupt', 'package_too_new')) return null;
      throw error;
    }
  }

  /** Its blobs go with the next `collectBlobs`. */
  async dropAside(vmId: string): Promise<void> {
    await attemptLocally('remove what was set aside', () => this.#env.files.removeTree(this.#aside(vmId)));
  }

  /** Removes what snapshots that never came to be have left. None may be in the making. */
  async removeIncomplete(vmId: string): Promise<number> {
    let removed = 0;
    for (const snapshotId of await this.ids(vmId)) {
      if ((await listIfThere(this.#env.files, this.#directory(vmId, snapshotId))).includes('snapshot.json'))
        continue;
      await this.delete(vmId, snapshotId);
      removed += 1;
    }
    return removed;
  }

  async #readIfThere(vmId: string, snapshotId: string): Promise<LocalSnapshot | null> {
    return await this.#readIn(this.#directory(vmId, snapshotId), vmId, snapshotId);
  }

  async #readIn(directory: string, vmId: string, snapshotId: string): Promise<LocalSnapshot | null> {
    const path = `${directory}/snapshot.json`;
    const bytes = await attemptLocally('read the snapshot', async () => {
      try {
        return await this.#env.files.readFile(path, SNAPSHOT_JSON_BYTES_MAX);
      } catch (error) {
        if (isSystemError(error, 'ENOENT')) return null;
        throw error;
      }
    });
    if (bytes === null) return null;
    return located(parseFacts(bytes, vmId, snapshotId), directory);
  }

  async #write(directory: string, facts: SnapshotFacts): Promise<void> {
    const { metadata, deviceStateBytes, disk, dirtyBytes, pauseMs } = facts;
    const { pageFiles, mappable } = facts.memory;
    const memory = { pageFiles, mappable };
    const document = {
      formatVersion: FORMAT_VERSION,
      metadata,
      deviceStateBytes,
      memory,
      disk,
      dirtyBytes,
      pauseMs,
    };
    const bytes = utf8(`${canonicalJson(document)}\n`);
    // What nobody could read back is refused now, while the VM that it is of still runs.
    parseFacts(bytes, metadata.vmId, metadata.snapshotId);
    await replaceDurably(this.#env.files, `${directory}/snapshot.json`, bytes);
  }

  #vm(vmId: string): string {
    if (!isUuid(vmId)) throw notFound(vmId);
    return `${this.#home}/vms/${vmId}`;
  }

  #snapshots(vmId: string): string {
    return `${this.#vm(vmId)}/snapshots`;
  }

  #aside(vmId: string): string {
    return `${this.#vm(vmId)}/aside`;
  }

  #directory(vmId: string, snapshotId: string): string {
    if (!isUuid(snapshotId)) throw notFound(snapshotId);
    return `${this.#snapshots(vmId)}/${snapshotId}`;
  }
}

/** @throws KelpieError `snapshot_corrupt`, also when the bytes are those of another snapshot; `package_too_new`. */
function parseFacts(bytes: Bytes, vmId: string, snapshotId: string): SnapshotFacts {
  const what = `snapshot ${snapshotId}`;
  const facts = parseDocument(bytes, snapshotSchema, {
    what,
    formatVersion: FORMAT_VERSION,
    sizeBytesMax: SNAPSHOT_JSON_BYTES_MAX,
    code: 'snapshot_corrupt',
  });
  const { metadata } = facts;
  if (metadata.vmId === vmId && metadata.snapshotId === snapshotId) return facts;
  throw new KelpieError('snapshot_corrupt', `${what} cannot be used: it describes another one.`);
}

function located(facts: SnapshotFacts, directory: string): LocalSnapshot {
  const { metadata, deviceStateBytes, disk, dirtyBytes, pauseMs } = facts;
  const { pageFiles, mappable } = facts.memory;
  const memory = { mapPath: `${directory}/memory.map`, pageFiles, mappable };
  const deviceStatePath = `${directory}/device-state`;
  return { metadata, directory, deviceStatePath, deviceStateBytes, memory, disk, dirtyBytes, pauseMs };
}

function notFound(id: string): KelpieError {
  return new KelpieError(
    'snapshot_not_found',
    `there is no snapshot "${id}" here; \`kelpie log\` lists what there is.`,
  );
}
