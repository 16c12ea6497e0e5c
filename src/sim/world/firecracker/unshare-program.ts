/**
 * `unshare` and `ip -batch`, as far as a VM's own network asks them (`vm/firecracker/user-network.ts`): the process gets a namespace with the devices
 * that its script makes there, and becomes what is to run in it. Or mounts of its own, for root's slirp4netns.
 */
import { utf8 } from '../../../base/bytes.ts';
import type { Program } from '../../machine.ts';
import type { SimProcess } from '../../process.ts';
import type { WorldTruth } from '../world-truth.ts';
import type { KernelObjects } from './kernel-objects.ts';
import { tryAppendText } from './text-file.ts';

/** Simulated milliseconds. */
const START_MS_MAX = 15;
const refusals = [
  'unshare: unshare failed: No space left on device',
  'Could not open /dev/net/tun: Permission denied',
  'RTNETLINK answers: Cannot allocate memory',
] as const;

/** What runs in a namespace: with devices, but for `true`, by which it is tried; and with mounts of its own. */
interface Inside {
  readonly firecracker: Program;
  readonly slirp: Program;
}

export function unshareProgram(kernel: KernelObjects, truth: WorldTruth, inside: Inside): Program {
  return async (context) => {
    const { process, env, args, streams } = context;
    const { machine, cwd, uid } = process;
    await env.clock.sleep(machine.random.fraction() * START_MS_MAX);
    const isMount = args[1] === '--mount';
    const script = args[6] ?? '';
    const command = args.slice(isMount ? 2 : 8);
    const strike = machine.faults.hit('namespace_refused', process.label);
    const make = (): string | null => (isMount ? null : makeDevices(kernel, process, script));
    const complaint = strike === null ? make() : strike.random.pick(refusals);
    if (complaint !== null) {
      if (streams.file !== null) tryAppendText(machine, streams.file, `${complaint}\n`);
      await streams.stderr?.write(process, 'unshare.stderr', utf8(`${complaint}\n`));
      return 1;
    }
    if (command[0] === 'true') return 0;
    truth.mark(isMount ? 'user network: by root' : 'user network: made');
    process.becomes(command, { root: '/', uid });
    process.cwd = cwd;
    return await (isMount ? inside.slirp : inside.firecracker)({ ...context, args: command });
  };
}

/** Why they cannot be made; null when they are. They go with the process. */
function makeDevices(kernel: KernelObjects, process: SimProcess, script: string): string | null {
  const namespace = `namespace of ${process.identity.pid}`;
  process.namespace = namespace;
  process.onExit(() => kernel.removeNamespace(namespace));
  const lines = [...script.matchAll(/'([a-z][^']*)'/g)].map(([, line = '']) => line);
  const wrong = lines.find((line) => !isDone(kernel, process, line));
  return wrong === undefined && lines.length > 0 ? null : `Command "${wrong}" is unknown, try "ip help".`;
}

function isDone(kernel: KernelObjects, { namespace, uid }: SimProcess, line: string): boolean {
  const [, made] = /^tuntap add dev (\S+) mode tap$/.exec(line) ?? [];
  if (made !== undefined) {
    const device = { name: made, ownerUid: uid, isForeign: false, isUp: false, bridge: null, attached: null };
    kernel.addTap(namespace, device);
    return true;
  }
  const [, name = '', bridge] = /^link set dev (\S+) master (\S+) addrgenmode none up$/.exec(line) ?? [];
  const tap = kernel.tap(namespace, name);
  if (tap === null || bridge === undefined)
    return line === 'link add br0 type bridge' || line === 'link set dev br0 addrgenmode none up';
  tap.bridge = bridge;
  tap.isUp = true;
  return true;
}
