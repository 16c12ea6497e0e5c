/** From a VM's files to its process, stopped before the first instruction: what a boot and a restore have in common. */
import { KelpieError } from '../../base/errors.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { Env } from '../../env/env.ts';
import type { DiskLayer } from '../../snapshot/local-snapshot.ts';
import type { MachineFacts, PortForward } from '../../snapshot/metadata.ts';
import { qemuArguments } from './command-line.ts';
import type { VmContext } from './context.ts';
import { diskFiles } from './disk-chain.ts';
import { launchQemu } from './launch.ts';
import type { QemuProcess } from './launch.ts';
import { runFiles } from './run-files.ts';
import type { Undo } from '../undo.ts';

export interface ProcessRequest {
  readonly machine: MachineFacts;
  readonly memoryPath: string;
  readonly disk: readonly DiskLayer[];
  readonly mode: 'boot' | 'load';
  readonly signal: AbortSignal | undefined;
}

/**
 * Ended by `undo`, which empties the run directory as well.
 * @throws KelpieError `port_taken`, `vm_start_failed`, `backend_unavailable`, `canceled`.
 */
export async function startProcess(
  context: VmContext,
  undo: Undo,
  request: ProcessRequest,
): Promise<QemuProcess> {
  const { env, config, places } = context;
  const { signal, ...line } = request;
  await assertPortsFree(env, config.publish);
  const abilities = await context.abilities();
  const process = await launchQemu(env, {
    program: abilities.program,
    args: qemuArguments({
      ...line,
      config,
      places,
      disk: diskFiles(places.blobDirectory, request.disk),
      hasSandbox: env.host.platform === 'linux',
    }),
    files: runFiles(places.runDirectory),
    signal,
  });
  undo.onFailure(() => process.end());
  return process;
}

/** QEMU would end with a sentence of its own: told here with a code. Another program may still be faster. */
async function assertPortsFree(env: Env, publish: readonly PortForward[]): Promise<void> {
  for (const { hostPort } of publish) {
    try {
      const listener = await env.sockets.listen(
        { kind: 'tcp', host: '127.0.0.1', port: hostPort },
        (connection) => connection.close(),
      );
      await listener.close();
    } catch (error) {
      if (!isSystemError(error, 'EADDRINUSE', 'EACCES')) throw error;
      throw new KelpieError(
        'port_taken',
        `port ${hostPort} of this host cannot be published: it is in use or not allowed.`,
        {
          cause: error,
          data: { hostPort },
        },
      );
    }
  }
}
