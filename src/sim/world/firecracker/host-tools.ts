/** `ip`, `nsenter` and `rmdir`, as far as Firecracker's backend asks them (`vm/firecracker/tap.ts`, `control-group.ts`). */
import { utf8 } from '../../../base/bytes.ts';
import { isSystemError } from '../../../env/system-error.ts';
import type { Strike } from '../../faults.ts';
import type { Program } from '../../machine.ts';
import type { SimProcess } from '../../process.ts';
import type { WorldTruth } from '../world-truth.ts';
import { BRIDGE, CONTROL_GROUPS } from './kernel-objects.ts';
import type { KernelObjects, Tap } from './kernel-objects.ts';

/** Simulated milliseconds. */
const COMMAND_MS_MAX = 3;
/** Longer than anybody waits for an answer. */
const STUCK_MS = 30_000;
const FOREIGN_UID = 65_534;
const NO_MEMORY = 'RTNETLINK answers: Cannot allocate memory';

/** What a program says before it ends, and how; null: it is done. */
type Complaint = string | null;

export function hostTools(kernel: KernelObjects, truth: WorldTruth): ReadonlyMap<string, Program> {
  const ip = ipProgram(kernel, truth);
  return new Map<string, Program>([
    ['ip', ip],
    ['nsenter', nsenterProgram(ip)],
    ['rmdir', rmdirProgram(kernel)],
  ]);
}

/** `nsenter --net=PATH ip …`. */
function nsenterProgram(ip: Program): Program {
  return async (context) => {
    const { process, env, args, streams } = context;
    const [, net = '', , ...rest] = args;
    const namespace = net.replace('--net=', '');
    const reason = await refusalOf(() => env.files.stat(namespace));
    if (reason !== null) {
      const complaint = `nsenter: cannot open ${namespace}: ${reason}\n`;
      await streams.stderr?.write(process, 'nsenter.stderr', utf8(complaint));
      return 1;
    }
    process.namespace = namespace;
    return await ip({ ...context, args: ['ip', ...rest] });
  };
}

function ipProgram(kernel: KernelObjects, truth: WorldTruth): Program {
  return async ({ process, env, args, streams }) => {
    const { machine } = process;
    await env.clock.sleep(machine.random.fraction() * COMMAND_MS_MAX);
    const strike = machine.faults.hit('tap_refused', process.label);
    const complaint = troubled({ kernel, truth, process }, args.slice(1), strike);
    // Done, and nobody hears of it.
    if (strike !== null && complaint === null) await env.clock.sleep(STUCK_MS);
    if (complaint === null) return 0;
    await streams.stderr?.write(process, 'ip.stderr', utf8(`${complaint}\n`));
    return 1;
  };
}

interface Asked {
  readonly kernel: KernelObjects;
  readonly truth: WorldTruth;
  readonly process: SimProcess;
}

/** What is asked for, unless it is to go wrong: a device of another is there first, it is refused, or it is done without an answer. */
function troubled(asked: Asked, words: readonly string[], strike: Strike | null): Complaint {
  const { kernel, truth, process } = asked;
  const isLook = words[1] === 'show';
  if (isLook && strike?.random.chance(0.5) === true) {
    const name = words[3] ?? '';
    const { namespace } = process;
    // Where one of Kelpie's is half-way gone nobody could tell another of its name, which is made of a path's digest, from it.
    if (kernel.tap(namespace, name) === null && !kernel.hasMade(namespace, name)) {
      kernel.addTap(namespace, { ...newTap(name, FOREIGN_UID), isForeign: true });
      truth.mark('tap: exists already');
    }
    return null;
  }
  return strike?.random.chance(0.5) === true ? NO_MEMORY : change(asked, words);
}

function change({ kernel, truth, process }: Asked, words: readonly string[]): Complaint {
  const { namespace, uid, machine } = process;
  const line = words.join(' ');
  const [, add, owner = ''] = /^tuntap add dev (\S+) mode tap user (\d+)$/.exec(line) ?? [];
  const [, name = ''] = /^(?:link (?:show|set|delete)|tuntap add) dev (\S+)/.exec(line) ?? [];
  const found = kernel.tap(namespace, name);
  // Whoever it was has taken his device away by then.
  const tap = found?.isForeign === true && !machine.faults.isOn ? null : found;
  if (uid !== 0 && !line.startsWith('link show')) return 'RTNETLINK answers: Operation not permitted';
  if (add !== undefined) {
    if (tap !== null) return 'ioctl(TUNSETIFF): Device or resource busy';
    kernel.addTap(namespace, newTap(add, Number(owner)));
    truth.mark('tap: made');
    return null;
  }
  if (tap === null) return `Device "${name}" does not exist.`;
  if (line.startsWith('link show')) return null;
  if (tap.isForeign)
    truth.violated('host', `the network device ${name} of somebody else is changed: ${line}`);
  return changeTap(kernel, namespace, tap, line);
}

function changeTap(kernel: KernelObjects, namespace: string, tap: Tap, line: string): Complaint {
  const [, master] = /master (\S+)$/.exec(line) ?? [];
  if (line.startsWith('link delete')) {
    kernel.removeTap(namespace, tap.name);
    return null;
  }
  if (master !== undefined) {
    if (master !== BRIDGE) return 'RTNETLINK answers: No such device';
    tap.bridge = master;
    return null;
  }
  if (!line.endsWith(' up')) return `Error: either "dev" is duplicate, or "${line}" is a garbage.`;
  tap.isUp = true;
  return null;
}

function newTap(name: string, ownerUid: number): Tap {
  return { name, ownerUid, isForeign: false, isUp: false, bridge: null, attached: null };
}

/** Of a control group: a folder whose files are not its entries. */
function rmdirProgram(kernel: KernelObjects): Program {
  return async ({ process, env, args, streams }) => {
    const path = args[1] ?? '';
    const group = path.slice(CONTROL_GROUPS.length + 1);
    const remove = async (): Promise<void> => {
      await env.files.stat(path);
      await env.files.removeTree(path);
    };
    const reason = kernel.isGroupInUse(group) ? 'Device or resource busy' : await refusalOf(remove);
    if (reason === null) return 0;
    const complaint = `rmdir: failed to remove '${path}': ${reason}\n`;
    await streams.stderr?.write(process, 'rmdir.stderr', utf8(complaint));
    return 1;
  };
}

/** Why the system does not do it, in the C library's words; null when it does. */
async function refusalOf(act: () => Promise<unknown>): Promise<Complaint> {
  try {
    await act();
    return null;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return error.errno === 'ENOENT' ? 'No such file or directory' : 'Input/output error';
  }
}
