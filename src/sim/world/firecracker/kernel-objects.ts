/**
 * What a machine's kernel has for its Firecrackers: TAP devices, by network namespace, and control groups. It outlives every process and goes with
 * the power.
 */
import { GIB } from '../../../base/units.ts';
import type { DirectoryInode } from '../../disk/inode.ts';
import { Volume } from '../../disk/volume.ts';
import type { SimProcess } from '../../process.ts';
import { installDirectory } from '../install.ts';

/** Where control groups are, as every process sees them. */
export const CONTROL_GROUPS = '/sys/fs/cgroup';
const SYS_BYTES: number = GIB;

/** One that the administrator made, for caged VMs. */
export const VMS_NAMESPACE = '/run/netns/vms';
/** A bridge that is in each of them. */
export const BRIDGE = 'br0';

export interface Tap {
  readonly name: string;
  /** Who may attach to it, beside root. */
  readonly ownerUid: number;
  /** Of somebody who knows nothing of Kelpie. */
  readonly isForeign: boolean;
  isUp: boolean;
  bridge: string | null;
  /** Only one may. */
  attached: SimProcess | null;
}

export class KernelObjects {
  /** What is mounted on `/sys`. */
  readonly sys: Volume = new Volume('sys', SYS_BYTES);
  readonly #groups: DirectoryInode;
  readonly #taps = new Map<string, Map<string, Tap>>();
  readonly #made = new Set<string>();
  readonly #inGroups = new Map<string, Set<SimProcess>>();

  constructor() {
    this.#groups = installDirectory(this.sys, 'fs/cgroup');
  }

  tap(namespace: string, name: string): Tap | null {
    return this.#taps.get(namespace)?.get(name) ?? null;
  }

  /** Whether there was ever one of the name that Kelpie made. */
  hasMade(namespace: string, name: string): boolean {
    return this.#made.has(`${namespace} ${name}`);
  }

  addTap(namespace: string, tap: Tap): void {
    if (!tap.isForeign) this.#made.add(`${namespace} ${tap.name}`);
    const taps = this.#taps.get(namespace) ?? new Map<string, Tap>();
    this.#taps.set(namespace, taps.set(tap.name, tap));
  }

  removeTap(namespace: string, name: string): void {
    this.#taps.get(namespace)?.delete(name);
  }

  /** It goes with its devices. */
  removeNamespace(namespace: string): void {
    this.#taps.delete(namespace);
  }

  /** Those that Kelpie made. */
  get madeTaps(): readonly string[] {
    const all = [...this.#taps.values()].flatMap((taps) => [...taps.values()]);
    return all.filter(({ isForeign }) => !isForeign).map(({ name }) => name);
  }

  /** Groups of VMs: those below the ones that VMs have in common. */
  get vmGroups(): readonly string[] {
    return [...this.#groups.entries].flatMap(([parent, inode]) =>
      inode.kind === 'directory' ? [...inode.entries.keys()].map((name) => `${parent}/${name}`) : [],
    );
  }

  /** A group has a process in it for as long as that lives. */
  join(group: string, process: SimProcess): void {
    const members = this.#inGroups.get(group) ?? new Set<SimProcess>();
    this.#inGroups.set(group, members.add(process));
    process.onExit(() => members.delete(process));
  }

  isGroupInUse(group: string): boolean {
    return (this.#inGroups.get(group)?.size ?? 0) > 0;
  }

  losePower(): void {
    this.#taps.clear();
    this.#made.clear();
    this.#inGroups.clear();
    for (const name of [...this.#groups.entries.keys()])
      this.sys.change({ directory: this.#groups, name, inode: null });
  }
}
