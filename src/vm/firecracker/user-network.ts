/**
 * A network for one VM that takes no rights (ADR 122): a user and a network namespace, in which there is a bridge between the VM's device and
 * that of `slirp4netns`, which calls out for the guest and listens on its published ports (`slirp.ts`).
 *
 *     host        slirp4netns ── 127.0.0.1:PORT
 *                     │
 *     namespace   slirp0 ── br0 ── kelpie0 ── Firecracker ── guest, 10.0.2.15
 *
 * The namespace is made by the process that becomes Firecracker, and goes with it and its slirp4netns.
 */
import { isKelpieError } from '../../base/errors.ts';
import { withoutFullStop } from '../../base/sentence.ts';
import type { Env } from '../../env/env.ts';
import { findProgram } from '../find-program.ts';
import type { CommandLine } from './command-line.ts';
import type { Network } from './network.ts';
import { askProgram, complaintOf, hasSucceeded } from './programs.ts';

const SLIRP = 'slirp4netns';

/** The VM's device: the same in each namespace. */
export const USER_TAP = 'kelpie0';
/** What slirp4netns attaches to. */
export const SLIRP_TAP = 'slirp0';

/** What slirp4netns expects of the guest, which are QEMU's addresses too: a guest's own are in its snapshots. */
export const GUEST_ADDRESS = '10.0.2.15';
export const USER_NETWORK_WORD: string = `kelpie.net=${GUEST_ADDRESS}/24,10.0.2.2,10.0.2.3`;

/** Nothing in the namespace has an address of its own, so the guest reaches nothing but slirp4netns. */
const devices: readonly string[] = [
  `tuntap add dev ${SLIRP_TAP} mode tap`,
  `tuntap add dev ${USER_TAP} mode tap`,
  'link add br0 type bridge',
  `link set dev ${SLIRP_TAP} master br0 addrgenmode none up`,
  `link set dev ${USER_TAP} master br0 addrgenmode none up`,
  'link set dev br0 addrgenmode none up',
];
const SCRIPT = `printf '%s\\n' ${devices.map((line) => `'${line}'`).join(' ')} | ip -batch - && exec "$@"`;

/** The same program in a namespace with the devices: one process, which keeps its number. It fails where they cannot be made. */
export function inUserNetwork({ command, args }: CommandLine): CommandLine {
  const namespaces = ['--user', '--map-root-user', '--net'];
  return { command: 'unshare', args: [...namespaces, 'sh', '-c', SCRIPT, 'kelpie', command, ...args] };
}

/** Whether this host can have such networks: a namespace is made once, with all that is in one. @throws as `findNetwork`. */
export async function findUserNetwork(env: Env): Promise<Network> {
  const found = await findProgram(env, SLIRP);
  if (found === null) {
    const why = `${SLIRP} is not installed, which VMs have their network and published ports by: install the package ${SLIRP}`;
    return { kind: 'none', why };
  }
  const complaint = await tryNamespace(env);
  if (complaint === null) return { kind: 'user', program: found.path };
  return { kind: 'none', why: `${explain(complaint)} ("${complaint}")` };
}

async function tryNamespace(env: Env): Promise<string | null> {
  const { command, args } = inUserNetwork({ command: 'true', args: [] });
  try {
    const answer = await askProgram(env, command, args);
    return hasSucceeded(answer) ? null : complaintOf(answer);
  } catch (error) {
    if (isKelpieError(error, 'backend_unavailable')) return withoutFullStop(error.message);
    throw error;
  }
}

/** What to do, by who complains. */
function explain(complaint: string): string {
  if (/^unshare\b.*cannot be started/.test(complaint))
    return 'the network of a VM needs unshare: install the package util-linux';
  if (complaint.startsWith('unshare:'))
    return 'this system does not let its users make namespaces, which a VM’s network is in: allow them (sysctl user.max_user_namespaces; kernel.unprivileged_userns_clone on Debian, kernel.apparmor_restrict_unprivileged_userns on Ubuntu)';
  if (/\bip: not found|\bip: command not found/.test(complaint))
    return 'the network of a VM needs ip: install the package iproute2';
  // So `ip` says that it cannot open the device.
  if (complaint.startsWith('open: '))
    return 'the network of a VM needs /dev/net/tun, for this user too: `sudo modprobe tun`';
  return 'the devices of a VM’s network cannot be made';
}
