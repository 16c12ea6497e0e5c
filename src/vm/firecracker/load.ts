/**
 * A restore, in the order in which it can still be refused:
 *
 *   checks ──▶ disk, fresh process ──▶ device state and memory loaded, not one instruction run
 *     ──▶ beforeResume (ownership) ──▶ resume ──▶ agent greets ──▶ identity repaired ──▶ handed out
 *
 * Whatever fails undoes all of it: no process, no file in the run directory, no new disk, no TAP. Firecracker ends by itself when a state does
 * not fit; it is never asked twice.
 */
import { throwIfCanceled } from '../../base/cancel.ts';
import { isKelpieError, KelpieError } from '../../base/errors.ts';
import type { PageMap } from '../../snapshot/page-map.ts';
import { readPageMap } from '../../snapshot/read-page-map.ts';
import { both } from '../bounded.ts';
import { bringBack, memoryToMap } from '../bring-back.ts';
import type { RestoreRequest } from '../instance.ts';
import { nobody } from '../runtime.ts';
import { orUndo } from '../undo.ts';
import type { Undo } from '../undo.ts';
import type { LoadedVm } from '../vm-driver.ts';
import type { FirecrackerAbilities } from './abilities.ts';
import { loadSnapshot, resumeVm } from './api/calls.ts';
import type { SnapshotLoadParams } from './api/requests.ts';
import { NETWORK_ID } from './boot.ts';
import type { LiveVm, VmContext } from './context.ts';
import { explainRefusal } from './explain-refusal.ts';
import { assertCanRun, goingOn, hasNetworkCard } from './machine.ts';
import { noNetwork } from './network.ts';
import { names } from './process-places.ts';
import { askProgram, complaintOf, hasSucceeded } from './programs.ts';
import { contactOf, startProcess } from './start-process.ts';
import { parseVersion } from './version.ts';
import type { FirecrackerFeatures } from './version.ts';

/** @throws KelpieError `restore_incompatible`, `restore_failed`, `snapshot_corrupt`, `guest_repair_failed`, `canceled` … */
export async function load(context: VmContext, request: RestoreRequest): Promise<LoadedVm<LiveVm>> {
  return orUndo(async (undo) => new Load(context, request, undo).run());
}

interface Checked {
  readonly mapped: Awaited<ReturnType<typeof memoryToMap>>;
  readonly base: PageMap;
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
    const { signal } = this.#request;
    return bringBack(this.#context.env, this.#request, {
      start: () => this.#start(),
      load: (vm) => this.#load(vm),
      resume: (vm) => resumeVm(vm.process.api),
      contact: (vm) => contactOf(this.#context, vm, signal),
      // A new process has mapped nothing in yet: the first command would wait for its pages one by one.
      isRehearsed: () => true,
    });
  }

  async #start(): Promise<LiveVm> {
    const { disk, signal, machine, memory, deviceStatePath, onProgress } = this.#request;
    const { mapped, base } = await this.#check();
    const network = hasNetworkCard(machine) ? await this.#context.network() : noNetwork;
    onProgress?.({ phase: 'process' });
    const files = [
      { name: names.memory, path: mapped.path },
      { name: names.state, path: deviceStatePath },
    ];
    const request = { files, disk, network, signal };
    const { started, top } = await startProcess(this.#context, this.#undo, request);
    return {
      ...started,
      machine: goingOn(machine, await this.#context.abilities()),
      mapped: mapped.id,
      base,
      memory,
      disk: [...disk, top],
      isBarePause: false,
      isDeaf: false,
      guest: nobody,
    };
  }

  /** Everything that can be known to fail before anything is made. */
  async #check(): Promise<Checked> {
    const { env, config } = this.#context;
    const { machine, memory, signal } = this.#request;
    throwIfCanceled(signal, 'restoring the VM');
    assertCanRun(machine, config, await this.#context.abilities(), await this.#context.network());
    const [mapped, base] = await both(memoryToMap(this.#context, memory), readPageMap(env, memory.mapPath));
    return { mapped, base };
  }

  async #load(vm: LiveVm): Promise<void> {
    const abilities = await this.#context.abilities();
    try {
      await loadSnapshot(vm.process.api, loadParams(vm.tap, abilities.features));
    } catch (error) {
      const explained = await explainRefusal(this.#context.env, error);
      if (isKelpieError(explained, 'disk_full', 'permission_denied', 'backend_unavailable')) throw explained;
      throw await this.#explainLoad(abilities, explained);
    }
  }

  /** Firecracker tells a damaged state from one of another version when it is asked for its version. */
  async #explainLoad({ program, snapshotVersion }: FirecrackerAbilities, cause: unknown): Promise<unknown> {
    if (!isKelpieError(cause)) return cause;
    const { env } = this.#context;
    const answer = await askProgram(env, program, ['--describe-snapshot', this.#request.deviceStatePath]);
    const version = hasSucceeded(answer) ? parseVersion(answer.stdout) : null;
    if (version === null) {
      const message = `the device state of the snapshot is damaged: Firecracker says "${complaintOf(answer)}".`;
      return new KelpieError('snapshot_corrupt', message, { cause });
    }
    if (version.major !== snapshotVersion.major || version.minor > snapshotVersion.minor) {
      const message = `the device state is of version ${version.major}.${version.minor}, and this Firecracker reads ${snapshotVersion.major}.${snapshotVersion.minor}.`;
      return new KelpieError('restore_incompatible', message, { cause, data: { reasons: [message] } });
    }
    return new KelpieError('restore_failed', cause.message, { cause });
  }
}

/** The names in a snapshot are ours and stay true; what differs between hosts is overridden, as far as the version can. */
export function loadParams(tap: string | null, features: FirecrackerFeatures): SnapshotLoadParams {
  return {
    snapshot_path: names.state,
    mem_backend: { backend_type: 'File', backend_path: names.memory },
    resume_vm: false,
    ...(features.hasTrackOnLoad ? { track_dirty_pages: true } : { enable_diff_snapshots: true }),
    ...(tap === null ? {} : { network_overrides: [{ iface_id: NETWORK_ID, host_dev_name: tap }] }),
    ...(features.hasVsockOverride ? { vsock_override: { uds_path: names.vsock } } : {}),
  };
}
