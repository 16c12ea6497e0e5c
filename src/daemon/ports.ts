/** Host ports that VMs publish: a conflict is told before anything is started. */
import { KelpieError } from '../base/errors.ts';
import { isSystemError } from '../env/system-error.ts';
import type { PortForward } from '../snapshot/metadata.ts';
import type { Supervisor } from './supervisor.ts';

const LOOPBACK = '127.0.0.1';

/** @param vmId whose ports they are, so that it is not in its own way. @throws KelpieError `port_taken`, with all that are. */
export async function requirePorts(
  supervisor: Supervisor,
  publish: readonly PortForward[],
  vmId: string | null,
): Promise<void> {
  const faults: string[] = [];
  const seen = new Set<number>();
  for (const { hostPort } of publish) {
    const why = seen.has(hostPort) ? 'it is published twice' : await whyTaken(supervisor, hostPort, vmId);
    seen.add(hostPort);
    if (why !== null) faults.push(`port ${hostPort} is taken: ${why}`);
  }
  if (faults.length > 0)
    throw new KelpieError('port_taken', `${faults.join('; ')}. Publish on another port.`, {
      data: { faults },
    });
}

async function whyTaken(supervisor: Supervisor, port: number, vmId: string | null): Promise<string | null> {
  const holder = supervisor.registry.all.find(
    (vm) => vm.id !== vmId && vm.isLive && vm.record.config.publish.some(({ hostPort }) => hostPort === port),
  );
  if (holder !== undefined) return `the VM "${holder.name}" has it`;
  try {
    const listener = await supervisor.host.env.sockets.listen(
      { kind: 'tcp', host: LOOPBACK, port },
      (connection) => connection.close(),
    );
    await listener.close();
    return null;
  } catch (error) {
    if (isSystemError(error, 'EADDRINUSE')) return 'another program listens there';
    if (isSystemError(error, 'EACCES')) return 'ports below 1024 need more rights';
    throw error;
  }
}
