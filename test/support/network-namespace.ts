/** A network namespace of a test's own, so that its devices are nobody else's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface NetworkNamespace {
  /** By which others enter it; there until `close`. */
  readonly path: string;
  /** It goes with its devices, once nobody else is in it. */
  close(): void;
}

/** Null where this user may make none. */
export async function makeNetworkNamespace(): Promise<NetworkNamespace | null> {
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo made && exec sleep 3600'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const isMade = await Promise.race([
    once(holder.stdout, 'data').then(() => true),
    once(holder, 'exit').then(() => false),
    once(holder, 'error').then(() => false),
  ]);
  if (!isMade || holder.pid === undefined) return null;
  return { path: `/proc/${holder.pid}/ns/net`, close: () => void holder.kill('SIGKILL') };
}
