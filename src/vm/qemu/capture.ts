/**
 * A snapshot, phase by phase. Only what is between the bars holds the guest up.
 *
 *   prepare: new disk layer, files opened, memory for the copy, the running layer synced, questions to the agent held back
 *   ║ stop ─┬─▶ device state ──▶ disk switches to the new layer        ║
 *   ║       └─▶ dirty pages ──▶ read                                   ║
 *   ║ cont                                                             ║
 *   persist: what was read is written, page map over the base's, everything synced
 *
 * Memory, devices and disk are from one instant. When a phase fails, the VM goes on if it ran, and what was made is removed, but
 * for a layer that the disk has switched to: that one is the VM's now.
 */
import { throwIfCanceled } from '../../base/cancel.ts';
import { KIB, MIB, PAGE_BYTES } from '../../base/units.ts';
import { makeDurable } from '../../env/durable-files.ts';
import type { FileHandle } from '../../env/files.ts';
import { diskLayerPath, pageFilePath } from '../../snapshot/local-snapshot.ts';
import type { DiskLayer, MemoryImage } from '../../snapshot/local-snapshot.ts';
import { PageMap } from '../../snapshot/page-map.ts';
import { readPageMap } from '../../snapshot/read-page-map.ts';
import type { CapturedSnapshot, SnapshotTimings } from '../instance.ts';
import type { CaptureRequest } from '../vm-driver.ts';
import { both } from '../bounded.ts';
import type { LiveVm, VmContext } from './context.ts';
import { PageCopy } from './copy-pages.ts';
import { topLayer } from '../disk-layers.ts';
import { createOverlay, layerNode } from './disk-chain.ts';
import { holdStill } from '../hold-still.ts';
import { keepCaptured } from '../keep-captured.ts';
import { CLOCK_CORRECTION_TIMEOUT_MS } from '../limits.ts';
import { presentDisk } from './present-disk.ts';
import { openMemoryView } from './memory-view.ts';
import type { MemoryView } from './memory-view.ts';
import {
  addOverlay,
  continueCpus,
  queryRunState,
  removeNode,
  saveDeviceState,
  stopCpus,
  switchToOverlay,
} from './qmp-commands.ts';
import { explainSave } from './explain-save.ts';
import { orUndo } from '../undo.ts';
import type { Undo } from '../undo.ts';

/** @throws KelpieError `snapshot_failed`, `disk_full`, `canceled` … */
export async function capture(
  context: VmContext,
  vm: LiveVm,
  request: CaptureRequest,
): Promise<CapturedSnapshot> {
  return orUndo(async (undo) => new Capture(context, vm, request, undo).run());
}

/** What the pause left behind, not yet durable. */
interface Captured extends Omit<SnapshotTimings, 'syncMs' | 'dirtyBytes'> {
  readonly frozen: readonly DiskLayer[];
}

/** What was made of it. */
interface Persisted {
  readonly memory: MemoryImage;
  /** Of pages that are not zero. */
  readonly dirtyBytes: number;
}

/** What QEMU reads from a character device at once (`CHR_READ_BUF_LEN`). */
const CHARDEV_READ_BYTES: number = 4 * KIB;

class Capture {
  readonly #context: VmContext;
  readonly #vm: LiveVm;
  readonly #request: CaptureRequest;
  readonly #undo: Undo;
  readonly #pageFile: string;
  /** QEMU was told to. */
  #mayHaveSwitched = false;

  constructor(context: VmContext, vm: LiveVm, request: CaptureRequest, undo: Undo) {
    this.#context = context;
    this.#vm = vm;
    this.#request = request;
    this.#undo = undo;
    this.#pageFile = context.env.random.uuid();
  }

  async run(): Promise<CapturedSnapshot> {
    const base = await this.#readBaseMap();
    const overlay = await this.#prepareDisk();
    return this.#withPageFile(async (target) => {
      const { captured, copy } = await this.#hold(overlay, target);
      const startMs = this.#now();
      const { isRunning, resume } = this.#request;
      const [persisted] = await both(
        this.#persist(base, overlay, copy),
        isRunning && resume ? this.#vm.link.correctClock(CLOCK_CORRECTION_TIMEOUT_MS) : Promise.resolve(),
      );
      return this.#result(captured, persisted, this.#now() - startMs);
    });
  }

  async #result(captured: Captured, persisted: Persisted, syncMs: number): Promise<CapturedSnapshot> {
    const { frozen, ...timings } = captured;
    const { memory, dirtyBytes } = persisted;
    const { sizeBytes } = await this.#context.env.files.stat(this.#deviceStatePath);
    return {
      machine: this.#vm.machine,
      guest: this.#vm.guest,
      deviceStateBytes: sizeBytes,
      memory,
      disk: frozen,
      timings: { ...timings, syncMs, dirtyBytes },
    };
  }

  /** The map of what the process maps. */
  async #readBaseMap(): Promise<PageMap> {
    const { env, config } = this.#context;
    throwIfCanceled(this.#request.signal, 'taking the snapshot');
    if (this.#vm.memory === null) return PageMap.empty((config.memoryMib * MIB) / PAGE_BYTES);
    return readPageMap(env, this.#vm.memory.mapPath);
  }

  /** The layer that the guest will write to after the pause, open but above nothing. */
  async #prepareDisk(): Promise<DiskLayer> {
    const { env, places } = this.#context;
    // An earlier snapshot may have ended without knowing whether the disk switches.
    this.#vm.disk = await presentDisk(this.#context, this.#vm.process, this.#vm.disk);
    const top = topLayer(this.#vm.disk);
    const overlay = await createOverlay(env, places.blobDirectory, top);
    const path = diskLayerPath(places.blobDirectory, overlay);
    this.#undo.onFailure(async () => {
      if (!this.#vm.disk.includes(overlay)) await env.files.removeTree(path);
    });
    await addOverlay(this.#vm.process.qmp, layerNode(overlay), path);
    this.#undo.onFailure(() => this.#dropOverlay(overlay));
    await makeDurable(env.files, path);
    // What the guest wrote lately goes to the disk now rather than when `stop` flushes, inside the pause.
    await makeDurable(env.files, diskLayerPath(places.blobDirectory, top));
    return overlay;
  }

  /** Not when the disk has switched to it, which QEMU may have done after it was given up: then it is the VM's, and what the guest writes is there. */
  async #dropOverlay(overlay: DiskLayer): Promise<void> {
    const { process } = this.#vm;
    if (this.#vm.disk.includes(overlay) || process.hasEnded()) return;
    const below = this.#vm.disk;
    if (this.#mayHaveSwitched) {
      // It stays the VM's if QEMU does not answer even now.
      this.#switched([...below, overlay]);
      const disk = await presentDisk(this.#context, process, this.#vm.disk);
      if (disk.includes(overlay)) return;
      this.#switched(below);
    }
    await removeNode(process.qmp, layerNode(overlay));
  }

  #switched(disk: readonly DiskLayer[]): void {
    this.#vm.disk = disk;
    this.#request.onDiskSwitched();
  }

  async #withPageFile(work: (target: FileHandle) => Promise<CapturedSnapshot>): Promise<CapturedSnapshot> {
    const { env, places } = this.#context;
    const path = pageFilePath(places.blobDirectory, this.#pageFile);
    const target = await env.files.open(path, 'wx');
    this.#undo.onFailure(() => env.files.removeTree(path));
    try {
      return await work(target);
    } finally {
      await target.close();
    }
  }

  async #hold(
    overlay: DiskLayer,
    target: FileHandle,
  ): Promise<{ readonly captured: Captured; readonly copy: PageCopy }> {
    const view = await openMemoryView(this.#context, this.#vm);
    try {
      // Looked at once before: what is dirty now will be a moment later, and a second look is faster than a first.
      const { pages } = await view.dirtyPages();
      const copy = new PageCopy(this.#context.env.compute, target, pages);
      return { captured: await this.#pause(overlay, view, copy), copy };
    } finally {
      await view.close();
    }
  }

  /** The pause itself. */
  async #pause(overlay: DiskLayer, view: MemoryView, copy: PageCopy): Promise<Captured> {
    const { qmp } = this.#vm.process;
    if (!this.#request.isRunning) await this.#letArrive();
    return holdStill({
      clock: this.#context.env.clock,
      vm: this.#vm,
      request: this.#request,
      undo: this.#undo,
      stop: async () => {
        await both(stopCpus(qmp), this.#letArrive());
      },
      take: () => this.#take(overlay, view, copy),
      goOn: () => continueCpus(qmp),
    });
  }

  /**
   * For a VM that is stopped, or has been told to stop. Bytes for the guest that were on their way reach its buffers while
   * it is stopped: one piece of at most 4 KiB per turn of QEMU's main loop, and each of our questions is answered in a turn
   * of its own.
   */
  async #letArrive(): Promise<void> {
    const turns = 2 + Math.ceil(this.#vm.link.pendingBytesMax() / CHARDEV_READ_BYTES);
    await Promise.all(Array.from({ length: turns }, () => queryRunState(this.#vm.process.qmp)));
  }

  /** Devices, disk and memory of a stopped VM. */
  async #take(overlay: DiskLayer, view: MemoryView, copy: PageCopy): Promise<Omit<Captured, 'pauseMs'>> {
    const [deviceStateMs, memory] = await both(
      this.#takeDevicesAndDisk(overlay),
      this.#takeMemory(view, copy),
    );
    return { ...memory, deviceStateMs, frozen: this.#vm.disk.slice(0, -1) };
  }

  /** Both commands are sent at once, since QEMU executes them in order and need not wait for our turn between them. */
  async #takeDevicesAndDisk(overlay: DiskLayer): Promise<number> {
    const { qmp } = this.#vm.process;
    const startMs = this.#now();
    this.#undo.onFailure(() => this.#context.env.files.removeTree(this.#deviceStatePath));
    const saving = this.#saveDevices();
    this.#mayHaveSwitched = true;
    const switching = switchToOverlay(qmp, layerNode(topLayer(this.#vm.disk)), layerNode(overlay));
    await both(
      saving,
      switching.then(() => this.#switched([...this.#vm.disk, overlay])),
    );
    return this.#now() - startMs;
  }

  async #saveDevices(): Promise<void> {
    try {
      await saveDeviceState(this.#vm.process.qmp, this.#deviceStatePath);
    } catch (error) {
      throw await explainSave(this.#context.env.files, this.#request.directory, error);
    }
  }

  async #takeMemory(
    view: MemoryView,
    copy: PageCopy,
  ): Promise<{ readonly scanMs: number; readonly copyMs: number }> {
    const startMs = this.#now();
    const dirty = await view.dirtyPages();
    const scannedMs = this.#now();
    await copy.read(dirty, view.ram);
    return { scanMs: scannedMs - startMs, copyMs: this.#now() - scannedMs };
  }

  async #persist(base: PageMap, overlay: DiskLayer, copy: PageCopy): Promise<Persisted> {
    const { runs, zeroRuns } = await copy.finish();
    const map = base.overlay({ pageFile: this.#pageFile, runs, zeroRuns });
    const mapPath = await keepCaptured(this.#context, this.#undo, {
      directory: this.#request.directory,
      map,
      pageFile: this.#pageFile,
      isPageFileUsed: runs.pages > 0,
      layers: [topLayer(this.#vm.disk.slice(0, -1)), overlay],
    });
    const memory = { mapPath, pageFiles: map.pageFiles, mappable: null };
    return { memory, dirtyBytes: runs.pages * PAGE_BYTES };
  }

  get #deviceStatePath(): string {
    return `${this.#request.directory}/device-state`;
  }

  #now(): number {
    return this.#context.env.clock.monotonicMs();
  }
}
