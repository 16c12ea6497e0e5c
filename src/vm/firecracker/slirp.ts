/** `slirp4netns` of one VM (`user-network.ts`): started beside it, found again by the socket on its command line, ended with it. */
import { KelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import { isThere } from '../../env/is-there.ts';
import type { ProcessIdentity } from '../../env/processes.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { PortForward } from '../../snapshot/metadata.ts';
import { KILL_TIMEOUT_MS, LAUNCH_RETRY_MS } from '../limits.ts';
import { launchVmm } from '../launch.ts';
import type { CommandLine } from './command-line.ts';
import { askSlirp } from './slirp-api.ts';
import { GUEST_ADDRESS, SLIRP_TAP } from './user-network.ts';

/** There before the process is, so it tells whoever clears up that one may be. */
export function slirpLog(runDirectory: string): string {
  return `${runDirectory}/net.log`;
}

/** Nothing else has this path among its words. */
function slirpSocket(runDirectory: string): string {
  return `${runDirectory}/net.sock`;
}

/**
 * Joins the network of a VM's process, whose devices are there, to the host's, and publishes its ports. Whatever goes wrong, `endSlirp` ends
 * what was started.
 * @throws KelpieError `port_taken`, `vm_start_failed`, `backend_unavailable`, `canceled`.
 */
export async function startSlirp(
  env: Env,
  request: {
    readonly program: string;
    readonly runDirectory: string;
    /** Whose namespace it is. */
    readonly vm: ProcessIdentity;
    readonly publish: readonly PortForward[];
    readonly signal: AbortSignal | undefined;
  },
): Promise<void> {
  const { program, runDirectory, vm, publish, signal } = request;
  const socket = slirpSocket(runDirectory);
  // Guests are not trusted: they reach none of the host's own services, and who takes the process over gets nothing.
  const shut = ['--disable-host-loopback', '--enable-sandbox', '--enable-seccomp'];
  const args = [...shut, '--api-socket', socket, String(vm.pid), SLIRP_TAP];
  const started = { ...withOwnMounts(env, { command: program, args }), log: slirpLog(runDirectory) };
  const first = {
    name: 'slirp4netns',
    ask: () => askSlirp(env, socket, { execute: 'list_hostfwd' }),
    isUnserved: (error: unknown) => isSystemError(error, 'ENOENT', 'ECONNREFUSED'),
  };
  await launchVmm(env, started, first, signal);
  for (const forward of publish) await publishPort(env, socket, forward);
}

/**
 * When root starts it, its sandbox takes away what is mounted below any shared mount of the host, for everybody: named network namespaces, by what is
 * mounted in `/run`. Below a user who may not mount it has mounts of its own already. The process stays the same one.
 */
function withOwnMounts({ host }: Pick<Env, 'host'>, line: CommandLine): CommandLine {
  return host.uid === 0 ? { command: 'unshare', args: ['--mount', line.command, ...line.args] } : line;
}

/** Ends that of the VM that ran in a directory; no error when it has none. @throws KelpieError `vm_backend_failed` when it does not end. */
export async function endSlirp(env: Env, runDirectory: string): Promise<void> {
  // Looking through all processes takes longer than the start of most VMs may.
  if (!(await isThere(env.files, slirpLog(runDirectory)))) return;
  for (const identity of await findSlirp(env, runDirectory)) await end(env, identity);
}

/** Whoever adopts a process hears of its end late, and a stop of the VM waits for this. */
async function end({ clock, processes }: Env, identity: ProcessIdentity): Promise<void> {
  const found = await processes.adopt(identity);
  found?.kill('SIGKILL');
  const deadlineMs = clock.monotonicMs() + KILL_TIMEOUT_MS;
  while (await processes.isAlive(identity)) {
    if (clock.monotonicMs() > deadlineMs) {
      const message = `slirp4netns (process ${identity.pid}) does not end even when killed.`;
      throw new KelpieError('vm_backend_failed', message);
    }
    await clock.sleep(LAUNCH_RETRY_MS);
  }
}

async function findSlirp(
  { processes }: Pick<Env, 'processes'>,
  runDirectory: string,
): Promise<readonly ProcessIdentity[]> {
  const socket = slirpSocket(runDirectory);
  const all = await processes.list();
  return all.filter(({ args }) => args.includes(socket)).map(({ identity }) => identity);
}

async function addForward(env: Env, socket: string, forward: object): Promise<string | null> {
  try {
    return await askSlirp(env, socket, { execute: 'add_hostfwd', arguments: forward });
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new KelpieError('vm_start_failed', `slirp4netns has ended (${error.errno}).`, { cause: error });
  }
}

/** Ports were looked at before: what is taken now was taken since, or is kept for others by the system. */
async function publishPort(env: Env, socket: string, { hostPort, guestPort }: PortForward): Promise<void> {
  const problem = await addForward(env, socket, {
    ...{ proto: 'tcp', host_addr: '127.0.0.1', host_port: hostPort },
    ...{ guest_addr: GUEST_ADDRESS, guest_port: guestPort },
  });
  if (problem === null) return;
  throw new KelpieError(
    'port_taken',
    `port ${hostPort} of this host cannot be published: it is in use or not allowed.`,
    { data: { hostPort, problem } },
  );
}
