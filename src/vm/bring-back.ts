/** What restores have in common, whatever loads the VM: the order in which they can still be refused. */
import { throwIfCanceled } from '../base/cancel.ts';
import { KelpieError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import type { Env } from '../env/env.ts';
import { pageFilePath } from '../snapshot/local-snapshot.ts';
import type { MemoryImage } from '../snapshot/local-snapshot.ts';
import { repairRestored } from './first-contact.ts';
import type { FirstContact } from './first-contact.ts';
import type { RestoreRequest } from './instance.ts';
import type { LiveVmBase, LoadedVm, VmContextBase } from './vm-driver.ts';

/** How one VMM does it; whoever implements it sees to it that a failure undoes what was done. */
export interface BringBack<Live extends LiveVmBase> {
  /** Checks the request, and makes the disk and a process that has loaded nothing. Tells the phase `process`. */
  start(): Promise<Live>;
  /** Afterwards not one instruction has run. */
  load(vm: Live): Promise<void>;
  resume(vm: Live): Promise<void>;
  contact(vm: Live): FirstContact;
  /** As for `repairRestored`. */
  isRehearsed(vm: Live): boolean;
}

/** A VM that is repaired and may be handed out. `beforeResume` decides after everything that can refuse, and before the first instruction. */
export async function bringBack<Live extends LiveVmBase>(
  env: Env,
  { onProgress, signal, beforeResume, generation, names }: RestoreRequest,
  steps: BringBack<Live>,
): Promise<LoadedVm<Live>> {
  const now = (): number => env.clock.monotonicMs();
  const startMs = now();
  const vm = await steps.start();
  const startedMs = now();

  onProgress?.({ phase: 'load' });
  await steps.load(vm);
  throwIfCanceled(signal, 'restoring the VM');
  await beforeResume?.();
  const loadedMs = now();
  await steps.resume(vm);
  const resumedMs = now();

  onProgress?.({ phase: 'guest' });
  const repair = { generation, rehearse: steps.isRehearsed(vm), ...names };
  const { guest, clockStepMs } = await repairRestored(env, steps.contact(vm), repair);
  vm.guest = guest;
  const timings = {
    processMs: startedMs - startMs,
    loadMs: loadedMs - startedMs,
    resumeMs: resumedMs - loadedMs,
    repairMs: now() - resumedMs,
    clockStepMs,
  };
  return { vm, timings };
}

/** The file that a restored VM maps. @throws KelpieError `snapshot_corrupt` when it is not of the VM's size. */
export async function memoryToMap(
  { env, config, places }: VmContextBase<unknown>,
  { mappable }: MemoryImage,
): Promise<{ readonly id: string; readonly path: string }> {
  if (mappable === null)
    throw new KelpieError('internal', 'a memory is restored from a file that can be mapped.');
  const path = pageFilePath(places.blobDirectory, mappable);
  const { sizeBytes } = await env.files.stat(path);
  if (sizeBytes === config.memoryMib * MIB) return { id: mappable, path };
  const message = `the memory of the snapshot has ${sizeBytes} bytes, not ${config.memoryMib} MiB.`;
  throw new KelpieError('snapshot_corrupt', message);
}
