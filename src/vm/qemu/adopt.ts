import { KelpieError } from '../../base/errors.ts';
import type { DiskLayer } from '../../snapshot/local-snapshot.ts';
import { pageFilePath } from '../../snapshot/local-snapshot.ts';
import type { VmRuntime } from '../instance.ts';
import type { VmState } from '../state.ts';
import { AgentLink } from './agent-link.ts';
import { DATA_DEVICE } from './command-line.ts';
import { ConsoleLog } from './console-log.ts';
import type { LiveVm, VmContext } from './context.ts';
import { layerNode, topLayer } from './disk-chain.ts';
import { adoptQemu } from './launch.ts';
import type { QemuProcess } from './launch.ts';
import { queryDisk, queryRunState } from './qmp-commands.ts';
import { runFiles } from './run-files.ts';
import { emptyRunDirectory } from './vm-process.ts';

export interface Adopted {
  readonly vm: LiveVm;
  readonly state: Extract<VmState, 'running' | 'paused'>;
}

/**
 * Finds a VM again that another daemon left running. What QEMU says counts where it differs from what was written down: the other daemon may
 * have ended in the middle of a snapshot.
 * @throws KelpieError `vm_crashed` when it is gone or over: what it left is removed.
 */
export async function adopt(context: VmContext, runtime: VmRuntime): Promise<Adopted> {
  const { env, places } = context;
  const files = runFiles(places.runDirectory);
  const process = await adoptQemu(env, runtime.process, files);
  if (process === null) return giveUp(context, null, 'its QEMU process is gone');
  const runState = await queryRunState(process.qmp);
  // Anything else is a VM that is off, or one that had not yet begun to run.
  if (runState !== 'running' && runState !== 'paused')
    return giveUp(context, process, `it is in the state "${runState}"`);
  const disk = await presentDisk(process, runtime.disk);
  const { bootId, generation } = runtime.details;
  const vm = {
    process,
    link: new AgentLink(env, files.agent),
    console: new ConsoleLog(env.files, files.console),
    machine: runtime.machine,
    memory: runtime.memory,
    memoryPath:
      runtime.memory === null
        ? files.emptyMemory
        : pageFilePath(places.blobDirectory, runtime.memory.mappable ?? ''),
    disk,
    guest: { bootId: bootId ?? '', generation: Number(generation ?? 0) },
  };
  if (runState === 'paused') await vm.link.shut(0);
  return { vm, state: runState };
}

async function giveUp(context: VmContext, process: QemuProcess | null, why: string): Promise<never> {
  const { env, config, places } = context;
  await process?.end();
  await emptyRunDirectory(env, places.runDirectory);
  throw new KelpieError('vm_crashed', `"${config.name}" ended while no daemon was running: ${why}.`);
}

/** The layers that were written down, and the one above them that QEMU may have switched to since. */
async function presentDisk(
  process: QemuProcess,
  written: readonly DiskLayer[],
): Promise<readonly DiskLayer[]> {
  const chain = await queryDisk(process.qmp, DATA_DEVICE);
  const known = written.findIndex((layer) => layerNode(layer) === chain?.node);
  if (known !== -1) return written.slice(0, known + 1);
  // QEMU tells the file of a layer that was opened by node as `json:{…}`, with the files of the layers below in it.
  const path = chain?.files.at(-1);
  for (const [, id = ''] of (path ?? '').matchAll(/([0-9a-f-]{36})\.qcow2/g)) {
    const added: DiskLayer = { id, format: 'qcow2', sizeBytes: topLayer(written).sizeBytes };
    if (layerNode(added) === chain?.node) return [...written, added];
  }
  throw new KelpieError('vm_backend_failed', 'the VM writes to a disk that is not its own.', {
    data: { path: path ?? '' },
  });
}
