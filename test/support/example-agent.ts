/** `examples/agent` in a VM: a process that remembers what it was told, and a workspace. */
import { join } from 'node:path';
import type { CliHost } from './cli-host.ts';

const folder = join(import.meta.dirname, '../../examples/agent');

/** Puts it and its manifest there, and starts it with nothing in its mind. */
export async function startAgent(host: CliHost, vm: string): Promise<void> {
  await host.sh(vm, 'mkdir -p /srv/agent /etc/kelpie/checkpoint.d');
  await host.must(['cp', join(folder, 'agent.py'), `${vm}:/srv/agent/agent.py`]);
  await host.must(['cp', join(folder, 'agent.json'), `${vm}:/etc/kelpie/checkpoint.d/agent.json`]);
  await host.sh(vm, 'AGENT_MODEL=small python3 -S /srv/agent/agent.py load < /dev/null');
}

export async function askAgent(host: CliHost, vm: string, text: string): Promise<string> {
  return (
    await host.must(['exec', vm, '--', 'python3', '-S', '/srv/agent/agent.py', 'ask', text])
  ).stdout.trim();
}
