import type { Env } from '../../env/env.ts';
import { AgentLink } from '../agent-link.ts';

/** The link to the agent behind a virtio-serial port, which QEMU shows as a Unix socket. */
export function openAgentLink(env: Env, socketPath: string): AgentLink {
  return new AgentLink(env, (signal) => env.sockets.connect({ kind: 'unix', path: socketPath }, signal));
}
