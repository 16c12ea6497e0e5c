/**
 * A restore, in the order in which it can still be refused:
 *
 *   checks ──▶ top layer ──▶ process ──▶ device state ──▶ verified, not one instruction run
 *     ──▶ beforeResume (ownership) ──▶ cont ──▶ agent greets ──▶ identity repaired ──▶ handed out
 *
 * Whatever fails undoes all of it: no process, no file in the run directory, no new layer. QEMU ends by itself when a state
 * does not fit; it is never continued after a failure.
 */
import { throwIfCanceled } from '../../base/cancel.ts';
import { makeDurable } from '../../env/durable-files.ts';
import { diskLayerPath } from '../../snapshot/local-snapshot.ts';
import type { DiskLayer } from '../../snapshot/local-snapshot.ts';
import type { RestoreRequest } from '../instance.ts';
import type { LoadedVm } from '../vm-driver.ts';
import { openAgentLink } from './agent-port.ts';
import { both } from '../bounded.ts';
import { bringBack, memoryToMap } from '../bring-back.ts';
import { ConsoleLog } from './console-log.ts';
import type { LiveVm, VmContext } from './context.ts';
import { topLayer } from '../disk-layers.ts';
import { createOverlay } from './disk-chain.ts';
import { contactOf } from './contact.ts';
import { flattenDisk } from '../flatten.ts';
import { DISK_LAYERS_MAX } from '../limits.ts';
import { loadDeviceState } from './load-state.ts';
import { assertCanRun } from './machine.ts';
import { assertMapped } from './memory-view.ts';
import { continueCpus } from './qmp-commands.ts';
import { runFiles } from './run-files.ts';
import { orUndo } from '../undo.ts';
import type { Undo } from '../undo.ts';
import { emptyRunDirectory } from '../run-directory.ts';
import { nobody } from '../runtime.ts';
import { startProcess } from './vm-process.ts';

/** @throws KelpieError `restore_incompatible`, `restore_failed`, `guest_repair_failed`, `port_taken`, `canceled` … */
export async function load(context: VmContext, request: RestoreRequest): Promise<LoadedVm<LiveVm>> {
  return orUndo(async (undo) => new Load(context, request, undo).run());
}

class Load {
  readonly #context: VmContext;
  readonly #request: RestoreRequest;
  readonly #undo: Undo;

  constructor(context: VmContext, request: RestoreRequest, undo: Undo) {
    this.#context = context;
    this.#request = request;
    this.#undo = undo;
  }

  async run(): Promise<LoadedVm<LiveVm>> {
    const { env, places } = this.#context;
    const { deviceStatePath, signal } = this.#request;
    return bringBack(env, this.#request, {
      start: () => this.#start(),
      load: async (vm) => {
        await both(
          loadDeviceState(env, vm.process, runFiles(places.runDirectory), deviceStatePath),
          assertMapped(this.#context, vm),
        );
      },
      resume: (vm) => continueCpus(vm.process.qmp),
      contact: (vm) => contactOf(vm, signal),
      isRehearsed: ({ machine }) => machine.accelerator === 'tcg',
    });
  }

  async #start(): Promise<LiveVm> {
    const { env, places } = this.#context;
    const memoryPath = await this.#check();
    this.#undo.onFailure(() => emptyRunDirectory(env, places.runDirectory));
    await emptyRunDirectory(env, places.runDirectory);
    const disk = await this.#prepareDisk();
    this.#request.onProgress?.({ phase: 'process' });
    const topPath = diskLayerPath(places.blobDirectory, topLayer(disk));
    const [vm] = await both(this.#startProcess(memoryPath, disk), makeDurable(env.files, topPath));
    return vm;
  }

  /** Everything that can be known to fail before anything is made. @returns the path of the memory file. */
  async #check(): Promise<string> {
    const { machine, memory, signal } = this.#request;
    throwIfCanceled(signal, 'restoring the VM');
    assertCanRun(machine, this.#context.config.architecture, await this.#context.abilities());
    return (await memoryToMap(this.#context, memory)).path;
  }

  async #prepareDisk(): Promise<readonly DiskLayer[]> {
    const { env, places } = this.#context;
    const { disk, signal } = this.#request;
    let frozen = disk;
    if (disk.length >= DISK_LAYERS_MAX) {
      const flat = await flattenDisk(env, places.blobDirectory, disk, signal);
      const path = diskLayerPath(places.blobDirectory, flat);
      this.#undo.onFailure(() => env.files.removeTree(path));
      await makeDurable(env.files, path);
      frozen = [flat];
    }
    const top = await createOverlay(env, places.blobDirectory, topLayer(frozen));
    this.#undo.onFailure(() => env.files.removeTree(diskLayerPath(places.blobDirectory, top)));
    return [...frozen, top];
  }

  async #startProcess(memoryPath: string, disk: readonly DiskLayer[]): Promise<LiveVm> {
    const { env, places } = this.#context;
    const { machine, memory, signal } = this.#request;
    const files = runFiles(places.runDirectory);
    const process = await startProcess(this.#context, this.#undo, {
      machine,
      memoryPath,
      disk,
      mode: 'load',
      signal,
    });
    const link = openAgentLink(env, files.agent);
    this.#undo.onFailure(async () => link.close());
    const console = new ConsoleLog(env.files, files.console);
    // What runs it from here on is what writes its next state, which no older one reads.
    const { version } = await this.#context.abilities();
    const now = { ...machine, backendVersion: version };
    return { process, link, console, machine: now, memory, memoryPath, disk, guest: nobody };
  }
}
