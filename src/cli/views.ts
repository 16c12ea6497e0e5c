/** How things are told to people. */
import { formatBytes, formatDurationMs } from '../base/units.ts';
import type { CommandEnv } from '../env/env.ts';
import type { Timings, VmView } from '../daemon/api/vms.ts';
import type { Output } from './output.ts';

/** `3.4 s: boot 3.2 s, guest 150 ms` */
export function totalLine(timings: Timings): string {
  const totalMs = Object.values(timings).reduce((sum, ms) => sum + ms, 0);
  return `${formatDurationMs(totalMs)}: ${timingLine(timings)}`;
}

/** `boot 3.2 s, guest 150 ms` */
export function timingLine(timings: Timings): string {
  return Object.entries(timings)
    .map(([phase, ms]) => `${phase.replace(/Ms$/, '')} ${formatDurationMs(ms)}`)
    .join(', ');
}

/** The first twelve digits, enough for people to tell things apart. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** `3 min ago` */
export function ageText(atUnixMs: number, nowUnixMs: number): string {
  const seconds = Math.max(0, Math.round((nowUnixMs - atUnixMs) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** The state, and beside it what needs to be known: `running (teleport under way)`, `crashed: …`, `departed to …`. */
export function stateText(vm: VmView): string {
  if (vm.busy !== null) return `${vm.state} (${vm.busy} under way)`;
  if (vm.departed !== null) {
    const { storeUrl, reclaimedBy } = vm.departed;
    return reclaimedBy === null ? `departed to ${storeUrl}` : `reclaimed by ${reclaimedBy} in ${storeUrl}`;
  }
  if (vm.lease?.isPaused === true) return `paused until ${vm.lease.storeUrl} renews its lease`;
  return vm.state;
}

export function paintState(output: Output, text: string): string {
  if (text.startsWith('running')) return output.colour('green', text);
  if (text.startsWith('crashed') || text.startsWith('damaged')) return output.colour('red', text);
  if (text.startsWith('paused') || text.startsWith('suspended') || text.startsWith('starting'))
    return output.colour('yellow', text);
  return text;
}

export function mibText(mib: number): string {
  return formatBytes(mib * 1024 * 1024);
}

export function publishText(vm: VmView): string {
  return vm.publish.map((port) => `${port.hostPort}:${port.guestPort}`).join(' ');
}

/** A path of this host as the daemon needs it: it does not share our working directory. */
export function localPath(env: CommandEnv, path: string): string {
  return path.startsWith('/') ? path : `${env.host.currentDirectory}/${path}`;
}

/** The same for a store; URLs with a scheme pass as they are. */
export function absolutePath(env: CommandEnv, store: string): string {
  return /^[a-z][a-z0-9+.-]*:/.test(store) ? store : localPath(env, store);
}
