/**
 * A snapshot, phase by phase. Only what is between the bars holds the guest up.
 *
 *   prepare: questions to the agent held back
 *   ║ pause ──▶ device state and written memory, by Firecracker ──▶ copy of the disk ║
 *   ║ resume                                                                           ║
 *   persist: files take their names, zero pages are told, page map over the base's, everything synced
 *
 * Memory, devices and disk are from one instant. Firecracker begins to note written pages anew with each file it writes: when anything
 * fails after that, what was noted is lost, and the next snapshot is a full one (docs/adr/0100-firecracker-memory-by-its-own-diff.md).
 */
import { throwIfCanceled } from '../../base/cancel.ts';
import { GIB, MIB, PAGE_BYTES } from '../../base/units.ts';
import { makeDurable } from '../../env/durable-files.ts';
import { isSystemError } from '../../env/system-error.ts';
import { diskLayerPath, pageFilePath } from '../../snapshot/local-snapshot.ts';
import type { DiskLayer, MemoryImage } from '../../snapshot/local-snapshot.ts';
import { PageMap } from '../../snapshot/page-map.ts';
import { both } from '../bounded.ts';
import { topLayer } from '../disk-layers.ts';
import { holdStill } from '../hold-still.ts';
import type { CapturedSnapshot, SnapshotTimings } from '../instance.ts';
import { keepCaptured } from '../keep-captured.ts';
import { CLOCK_CORRECTION_TIMEOUT_MS } from '../limits.ts';
import { orUndo } from '../undo.ts';
import type { Undo } from '../undo.ts';
import type { CaptureRequest } from '../vm-driver.ts';
import { createSnapshot } from './api/calls.ts';
import type { LiveVm, VmContext } from './context.ts';
import { copyDisk } from './disk.ts';
import { explainRefusal } from './explain-refusal.ts';
import { readWrittenPages } from './memory-file.ts';
import { goOn, pause } from './pause.ts';
import { names } from './process-places.ts';

/** Above it x86_64's memory is in several pieces. */
const ONE_PIECE_BYTES_MAX: number = 3 * GIB;

/** @throws KelpieError `snapshot_failed`, `disk_full`, `canceled` … */
export async function capture(
  context: VmContext,
  vm: LiveVm,
  request: CaptureRequest,
): Promise<CapturedSnapshot> {
  return orUndo(async (undo) => new Capture(context, vm, request, undo).run());
}

/** What the pause left behind, not yet durable. */
interface Captured extends Pick<SnapshotTimings, 'pauseMs' | 'deviceStateMs' | 'copyMs'> {
  readonly frozen: DiskLayer;
}

interface Persisted extends Pick<MemoryImage, 'mapPath' | 'mappable'> {
  readonly map: PageMap;
  readonly scanMs: number;
  /** Of pages that are not zero. */
  readonly dirtyBytes: number;
}

class Capture {
  readonly #context: VmContext;
  readonly #vm: LiveVm;
  readonly #request: CaptureRequest;
  readonly #undo: Undo;
  readonly #pageFile: string;

  constructor(context: VmContext, vm: LiveVm, request: CaptureRequest, undo: Undo) {
    this.#context = context;
    this.#vm = vm;
    this.#request = request;
    this.#undo = undo;
    this.#pageFile = context.env.random.uuid();
  }

  async run(): Promise<CapturedSnapshot> {
    const { isRunning, resume, signal } = this.#request;
    throwIfCanceled(signal, 'taking the snapshot');
    const base = await this.#chooseBase();
    this.#undo.onFailure(() => this.#removeLeftovers());
    // What the guest wrote lately goes to the disk now rather than when its copy is synced.
    await makeDurable(this.#context.env.files, this.#diskPath(topLayer(this.#vm.disk)));
    const captured = await this.#pause(base);
    const startMs = this.#now();
    const { link } = this.#vm;
    const [persisted] = await both(
      this.#persist(base, captured.frozen),
      isRunning && resume ? link.correctClock(CLOCK_CORRECTION_TIMEOUT_MS) : Promise.resolve(),
    );
    const { map, mapPath, mappable, scanMs, dirtyBytes } = persisted;
    const { frozen, ...timings } = captured;
    const { sizeBytes } = await this.#context.env.files.stat(this.#deviceStatePath);
    // Nothing fails any more: what did would take the files away that the next snapshot would lie over.
    this.#adoptBase(map, mapPath, frozen);
    return {
      machine: this.#vm.machine,
      guest: this.#vm.guest,
      deviceStateBytes: sizeBytes,
      memory: { mapPath, pageFiles: map.pageFiles, mappable },
      disk: [frozen],
      timings: { ...timings, scanMs, syncMs: this.#now() - startMs - scanMs, dirtyBytes },
    };
  }

  /** The memory that a file of what changed would lie over; null for a full one. */
  async #chooseBase(): Promise<PageMap | null> {
    const { config } = this.#context;
    const { base } = this.#vm;
    if (base === null) return null;
    const { features } = await this.#context.abilities();
    const isOnePiece = config.architecture === 'arm64' || config.memoryMib * MIB <= ONE_PIECE_BYTES_MAX;
    if (!isOnePiece && !features.hasSoundDiffOfPieces) return null;
    // Above zeros a hole and a page of zeros are the same.
    return base.nonZeroPages === 0 || (await this.#context.tellsHoles()) ? base : null;
  }

  /** The pause itself. */
  async #pause(base: PageMap | null): Promise<Captured> {
    return holdStill({
      clock: this.#context.env.clock,
      vm: this.#vm,
      request: this.#request,
      undo: this.#undo,
      stop: () => pause(this.#vm),
      take: () => this.#take(base),
      goOn: () => goOn(this.#context, this.#vm),
    });
  }

  /** Devices, memory and disk of a stopped VM. */
  async #take(base: PageMap | null): Promise<Omit<Captured, 'pauseMs'>> {
    const vm = this.#vm;
    const startMs = this.#now();
    // Whatever becomes of the call, it may have emptied what was noted.
    vm.base = null;
    try {
      await createSnapshot(vm.process.api, {
        snapshot_type: base === null ? 'Full' : 'Diff',
        snapshot_path: names.newState,
        mem_file_path: names.newMemory,
      });
    } catch (error) {
      throw await explainRefusal(this.#context.env, error, 'snapshot_failed');
    }
    vm.isBarePause = false;
    vm.isDeaf = false;
    // Firecracker has ended every connection through its vsock: the next question greets anew, and waits while the VM stands still.
    vm.link.close();
    await vm.link.shut(0);
    const takenMs = this.#now();
    const frozen = await copyDisk(this.#context, topLayer(vm.disk));
    this.#undo.onFailure(() => this.#context.env.files.removeTree(this.#diskPath(frozen)));
    return { frozen, deviceStateMs: takenMs - startMs, copyMs: this.#now() - takenMs };
  }

  /** The snapshot's map, and everything that it and its disk need, on the disk for good. */
  async #persist(base: PageMap | null, frozen: DiskLayer): Promise<Persisted> {
    const { env, config, places } = this.#context;
    const { directory, signal } = this.#request;
    const memoryBytes = config.memoryMib * MIB;
    const pagePath = pageFilePath(places.blobDirectory, this.#pageFile);
    await this.#takeOver(names.newMemory, pagePath);
    await this.#takeOver(names.newState, this.#deviceStatePath);

    const startMs = this.#now();
    const hasHoles = await this.#context.tellsHoles();
    const { runs, zeroRuns } = await readWrittenPages(env, pagePath, memoryBytes, { hasHoles, signal });
    const scanMs = this.#now() - startMs;
    const below = base ?? PageMap.empty(memoryBytes / PAGE_BYTES);
    const map = below.overlay({ pageFile: this.#pageFile, placement: 'in-place', runs, zeroRuns });
    const isWhole = below.nonZeroPages === 0;
    const mapPath = await keepCaptured(this.#context, this.#undo, {
      directory,
      map,
      pageFile: this.#pageFile,
      isPageFileUsed: runs.pages > 0 || isWhole,
      layers: [frozen],
    });

    const mappable = isWhole ? this.#pageFile : null;
    return { map, mapPath, mappable, scanMs, dirtyBytes: runs.pages * PAGE_BYTES };
  }

  /** From here on the VM's next snapshot lies over this one, whose files it keeps by naming them. */
  #adoptBase(map: PageMap, mapPath: string, frozen: DiskLayer): void {
    const vm = this.#vm;
    vm.base = map;
    vm.memory = { mapPath, pageFiles: map.pageFiles, mappable: vm.mapped };
    vm.disk = [frozen, topLayer(vm.disk)];
    this.#request.onDiskSwitched();
  }

  /** Gives a file that Firecracker wrote its place. */
  async #takeOver(name: string, target: string): Promise<void> {
    const { files } = this.#context.env;
    const source = `${this.#vm.places.root}/${name}`;
    this.#undo.onFailure(() => files.removeTree(target));
    try {
      await files.rename(source, target);
    } catch (error) {
      if (!isSystemError(error, 'EXDEV')) throw error;
      await files.clone(source, target);
      await files.removeTree(source);
    }
    await files.changeMode(target, 0o600);
  }

  async #removeLeftovers(): Promise<void> {
    for (const name of [names.newState, names.newMemory])
      await this.#context.env.files.removeTree(`${this.#vm.places.root}/${name}`);
  }

  #diskPath(layer: DiskLayer): string {
    return diskLayerPath(this.#context.places.blobDirectory, layer);
  }

  get #deviceStatePath(): string {
    return `${this.#request.directory}/device-state`;
  }

  #now(): number {
    return this.#context.env.clock.monotonicMs();
  }
}
