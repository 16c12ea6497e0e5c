/**
 * A boot:
 *
 *   top layer ──▶ process ──▶ first instruction ──▶ guest agent answers
 *
 * Whatever fails, and an end of the process, undoes all of it: no process, no file in the run directory, no new layer.
 */
import { MIB } from '../../base/units.ts';
import { makeDurable } from '../../env/durable-files.ts';
import { diskLayerPath } from '../../snapshot/local-snapshot.ts';
import type { DiskLayer } from '../../snapshot/local-snapshot.ts';
import type { StartOptions } from '../instance.ts';
import { openAgentLink } from './agent-port.ts';
import { both } from '../bounded.ts';
import { ConsoleLog } from './console-log.ts';
import type { LiveVm, VmContext } from './context.ts';
import { createFirstLayer } from '../disk-layers.ts';
import { createOverlay } from './disk-chain.ts';
import { bootTimeout, connectFirst } from '../first-contact.ts';
import { contactOf } from './contact.ts';
import { chooseMachine } from './machine.ts';
import { continueCpus } from './qmp-commands.ts';
import { runFiles } from './run-files.ts';
import { orUndo } from '../undo.ts';
import { emptyRunDirectory } from '../run-directory.ts';
import { startProcess } from './vm-process.ts';

/** @throws KelpieError `vm_start_failed`, `vm_boot_timeout`, `port_taken`, `disk_full`, `canceled` … */
export async function boot(context: VmContext, request: StartOptions): Promise<LiveVm> {
  return orUndo(async (undo) => {
    const { env, config, places } = context;
    const { signal } = request;
    const files = runFiles(places.runDirectory);
    undo.onFailure(() => emptyRunDirectory(env, places.runDirectory));
    await emptyRunDirectory(env, places.runDirectory);

    const top = await createTop(context, request.disk);
    const topPath = diskLayerPath(places.blobDirectory, top);
    undo.onFailure(() => env.files.removeTree(topPath));
    const disk = [...request.disk, top];
    await createEmptyMemory(context, files.emptyMemory);
    const machine = chooseMachine(config, await context.abilities());

    request.onProgress?.({ phase: 'process' });
    const start = startProcess(context, undo, {
      machine,
      memoryPath: files.emptyMemory,
      disk,
      mode: 'boot',
      signal,
    });
    const [process] = await both(start, makeDurable(env.files, topPath));
    const link = openAgentLink(env, files.agent);
    undo.onFailure(async () => link.close());
    const console = new ConsoleLog(env.files, files.console);

    request.onProgress?.({ phase: 'boot' });
    await continueCpus(process.qmp);
    const contact = {
      ...contactOf({ link, process, console }, signal),
      timeoutMs: context.bootTimeoutMs,
    };
    const agent = await connectFirst(contact, bootTimeout);
    await agent.setClock(() => env.clock.wallNs());
    const guest = { bootId: agent.bootId, generation: agent.generation };
    return { process, link, console, machine, memory: null, memoryPath: files.emptyMemory, disk, guest };
  });
}

/** A VM that never ran writes to the bottom layer: there is nothing below it to keep. */
async function createTop(context: VmContext, disk: readonly DiskLayer[]): Promise<DiskLayer> {
  const { env, config, places } = context;
  const below = disk.at(-1);
  return below === undefined
    ? createFirstLayer(env, places.blobDirectory, places.image.dataTemplate, config.diskMib)
    : createOverlay(env, places.blobDirectory, below);
}

async function createEmptyMemory({ env, config }: VmContext, path: string): Promise<void> {
  const file = await env.files.open(path, 'wx');
  try {
    await file.truncate(config.memoryMib * MIB);
  } finally {
    await file.close();
  }
}
