import { defined } from '../../base/assert.ts';
import { isKelpieError, KelpieError } from '../../base/errors.ts';
import { pageFilePath } from '../../snapshot/local-snapshot.ts';
import type { VmRuntime } from '../instance.ts';
import type { AdoptedVm } from '../vm-driver.ts';
import { openAgentLink } from './agent-port.ts';
import { isSettledWithin } from '../bounded.ts';
import { ConsoleLog } from './console-log.ts';
import type { LiveVm, VmContext } from './context.ts';
import { adoptQemu } from './launch.ts';
import type { QemuProcess } from './launch.ts';
import { END_NOTICE_MS } from '../limits.ts';
import { presentDisk } from './present-disk.ts';
import { queryRunState } from './qmp-commands.ts';
import { runFiles } from './run-files.ts';
import { emptyRunDirectory } from '../run-directory.ts';
import { guestOf } from '../runtime.ts';

/**
 * Run states of a VM that goes on when it is told to. One whose write found no room on the host's disk is in `io-error`, also when it was paused afterwards, so
 * nothing here says whether it is to run.
 */
const still: ReadonlySet<string> = new Set(['paused', 'io-error']);

/**
 * Finds a VM again that another daemon left running. What QEMU says counts where it differs from what was written down: the other daemon may
 * have ended in the middle of a snapshot.
 * @throws KelpieError `vm_crashed` when it is gone or over: what it left is removed.
 */
export async function adopt(context: VmContext, runtime: VmRuntime): Promise<AdoptedVm<LiveVm>> {
  const { env, places } = context;
  const process = await adoptQemu(env, runtime.process, runFiles(places.runDirectory));
  if (process === null) return giveUp(context, null, 'its QEMU process is gone');
  try {
    return await take(context, process, runtime);
  } catch (error) {
    const hasEnded =
      isKelpieError(error, 'vm_backend_failed') &&
      (await isSettledWithin(env.clock, process.ended, END_NOTICE_MS));
    if (hasEnded) return giveUp(context, process, 'its QEMU process ended just now');
    // QEMU talks to one client at a time: the next attempt would wait for the end of this one for ever.
    process.qmp.close();
    throw error;
  }
}

async function take(
  context: VmContext,
  process: QemuProcess,
  runtime: VmRuntime,
): Promise<AdoptedVm<LiveVm>> {
  const { env, places } = context;
  const files = runFiles(places.runDirectory);
  const runState = await queryRunState(process.qmp);
  // Anything else is a VM that is off, or one that had not yet begun to run.
  if (runState !== 'running' && !still.has(runState)) {
    return giveUp(context, process, `it is in the state "${runState}"`);
  }
  const { memory } = runtime;
  const vm = {
    process,
    link: openAgentLink(env, files.agent),
    console: new ConsoleLog(env.files, files.console),
    machine: runtime.machine,
    memory,
    memoryPath:
      memory === null
        ? files.emptyMemory
        : pageFilePath(places.blobDirectory, defined(memory.mappable, 'the mapped file')),
    disk: await presentDisk(context, process, runtime.disk),
    guest: guestOf(runtime),
  };
  if (runState === 'running') return { vm, state: 'running' };
  await vm.link.shut(0);
  return { vm, state: 'paused' };
}

async function giveUp(context: VmContext, process: QemuProcess | null, why: string): Promise<never> {
  const { env, config, places } = context;
  await process?.end();
  await emptyRunDirectory(env, places.runDirectory);
  throw new KelpieError('vm_crashed', `"${config.name}" ended while no daemon was running: ${why}.`);
}
