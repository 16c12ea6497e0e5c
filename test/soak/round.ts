/**
 * One round: a teleport from where the VM is, and a restore on the other host; one of the two is struck. Then the faults end, the next commands run, and
 * everything is looked at.
 *
 *     read ─▶ snapshot? ─▶ TELEPORT ─▶ settle ─▶ RESTORE ─▶ settle ─▶ bring back ─▶ look
 *                             └ it stayed ────────────────────────────▶┘
 */
import { routes } from '../../src/daemon/api/routes.ts';
import { readCounted, removeOldSnapshots, requireGoesOn, VM } from './guest.ts';
import { requireNoLeaks } from './leaks.ts';
import { describe, settled } from './settle.ts';
import { isHarmless, strikeAt } from './strikes.ts';
import { violated } from './violation.ts';
import type { RunningCommand } from '../support/cli-host.ts';
import type { Counted } from './guest.ts';
import type { FaultName, RoundPlan } from './plan.ts';
import type { Standing } from './settle.ts';
import type { SoakHost } from './soak-host.ts';
import type { SoakWorld } from './world.ts';

/** A command may try for two minutes to reach its store, and then once more to settle what it did. */
const COMMAND_MS_MAX = 400_000;

/** The VM between rounds. */
export interface Standpoint {
  readonly where: SoakHost;
  /** What it counted when a snapshot or a teleport of it was last acknowledged. */
  readonly acknowledged: number;
}

export interface RoundResult {
  readonly after: Standpoint;
  /** Faults that met something. */
  readonly struck: readonly FaultName[];
  /** `ok`, `killed`, or the code of the failure; null: there was none. */
  readonly teleport: string;
  readonly restore: string | null;
  /** It was not even a moment away. */
  readonly hasStayed: boolean;
}

export class Round {
  readonly #world: SoakWorld;
  readonly #plan: RoundPlan;
  readonly #source: SoakHost;
  readonly #target: SoakHost;
  readonly #struck: FaultName[] = [];
  #acknowledged: number;

  constructor(world: SoakWorld, plan: RoundPlan, before: Standpoint) {
    this.#world = world;
    this.#plan = plan;
    this.#source = before.where;
    this.#target = world.hosts[0] === before.where ? world.hosts[1] : world.hosts[0];
    this.#acknowledged = before.acknowledged;
  }

  /** @throws Violation. */
  async run(): Promise<RoundResult> {
    const before = await readCounted(this.#source.cli);
    if (this.#plan.isSnapshotFirst) {
      await this.#must(this.#source, ['snapshot', VM]);
      this.#acknowledged = before.count;
    }
    const teleport = await this.#teleport();
    if (teleport === 'ok') this.#acknowledged = before.count;
    let standings = await settled(this.#world.hosts);
    const hasStayed = standings.some(({ state }) => state !== 'departed' && state !== 'absent');
    if (hasStayed && teleport === 'ok')
      violated('record', `it was acknowledged as gone: ${standings.map(describe).join('; ')}`);
    const restore = hasStayed ? null : await this.#restore();
    if (restore !== null) standings = await settled(this.#world.hosts);
    const { where, hasCrashed } = await this.#bringBack(standings);
    await this.#look(where, before, hasCrashed ? this.#acknowledged : before.count);
    return {
      after: { where, acknowledged: this.#acknowledged },
      struck: this.#struck,
      teleport,
      restore,
      hasStayed,
    };
  }

  async #teleport(): Promise<string> {
    const args = ['teleport', VM, '--to', this.#storeUrl];
    const command = this.#start(this.#source, args);
    return this.#outcome(this.#source, command, this.#plan.act === 'teleport');
  }

  async #restore(): Promise<string> {
    const args = ['restore', VM, '--from', this.#storeUrl];
    const command = this.#start(this.#target, args);
    if (this.#plan.act !== 'contest')
      return this.#outcome(this.#target, command, this.#plan.act === 'restore');
    const rival = this.#start(this.#source, args);
    const outcomes = await Promise.all([
      this.#outcome(this.#target, command, true),
      this.#ended(this.#source, rival),
    ]);
    if (outcomes.every((outcome) => outcome === 'ok'))
      violated('one-copy', 'both hosts were told that they have it');
    return outcomes.join('/');
  }

  /** Runs to its end what was started, and strikes it meanwhile if the plan means it. */
  async #outcome(actor: SoakHost, command: RunningCommand, isStruck: boolean): Promise<string> {
    const scene = { source: this.#source, target: this.#target, actor, command };
    const strikes = isStruck ? this.#plan.strikes : [];
    const [outcome, ...struck] = await Promise.all([
      this.#ended(actor, command),
      ...strikes.map(async (strike) => strikeAt(scene, strike)),
    ]);
    this.#struck.push(...strikes.filter((_, index) => struck[index] === true).map(({ fault }) => fault));
    const isLonely = this.#plan.act !== 'contest' && strikes.every(({ fault }) => isHarmless(scene, fault));
    if (isLonely && outcome !== 'ok') violated('refused', `nothing concerned it: ${command.stderr}`);
    return outcome;
  }

  async #ended(actor: SoakHost, command: RunningCommand): Promise<string> {
    // One that is killed has no result but that.
    const result = await command.result.catch((error: unknown) => {
      if (command.child.signalCode === 'SIGKILL') return null;
      throw error;
    });
    if (result === null) return 'killed';
    if (result.status === 0) return 'ok';
    const last = result.stderr.trimEnd().split('\n').at(-1) ?? '';
    const code = /^kelpie: .*\. \[([a-z_]+)\]$/.exec(last)?.[1];
    if (code === undefined || code === 'internal')
      violated('words', `${actor.name} said ${JSON.stringify(result.stderr.slice(-500))} (${result.status})`);
    return code;
  }

  /** To where it runs, by what a person would do. */
  async #bringBack(standings: readonly Standing[]): Promise<{ where: SoakHost; hasCrashed: boolean }> {
    const told = standings.map(describe).join('; ');
    const running = standings.filter(({ state }) => state === 'running');
    const crashed = standings.filter(({ state }) => state === 'crashed');
    if (running.length + crashed.length > 1) violated('one-copy', told);
    const [one] = running;
    if (one !== undefined) return { where: one.host, hasCrashed: false };
    const [dead] = crashed;
    if (dead === undefined) {
      await this.#must(this.#target, ['restore', VM, '--from', this.#storeUrl]);
      return { where: this.#target, hasCrashed: false };
    }
    if (!this.#struck.includes('kill-qemu')) violated('lost-vm', `it died by itself: ${told}`);
    await this.#must(dead.host, ['restore', VM]);
    return { where: dead.host, hasCrashed: true };
  }

  async #look(where: SoakHost, before: Counted, leastCount: number): Promise<void> {
    const standings = await settled(this.#world.hosts);
    const elsewhere = standings.filter(({ host, state }) => state === 'running' && host !== where);
    if (elsewhere.length > 0) violated('one-copy', standings.map(describe).join('; '));
    await requireGoesOn(where.cli, before, leastCount);
    const overlap = this.#world.witness.overlap();
    if (overlap !== null) violated('one-copy', overlap);
    await requireRecord(where);
    for (const host of this.#world.hosts) await removeOldSnapshots(host);
    await requireNoLeaks(this.#world, where, { store: this.#plan.store, struck: this.#struck });
  }

  get #storeUrl(): string {
    return this.#world.stores[this.#plan.store];
  }

  #start({ cli }: SoakHost, args: readonly string[]): RunningCommand {
    return cli.start(args, { input: '', timeoutMs: COMMAND_MS_MAX });
  }

  /** @throws Violation when it fails: nothing is wrong any more. */
  async #must({ cli }: SoakHost, args: readonly string[]): Promise<void> {
    const { status, stderr } = await cli.run(args, { timeoutMs: COMMAND_MS_MAX });
    if (status !== 0) violated('lost-vm', `kelpie ${args.join(' ')} on ${cli.name}: ${stderr}`);
  }
}

/** The store that it came from, if any, says that this host runs it. */
async function requireRecord(host: SoakHost): Promise<void> {
  const { record, storeUrl, trouble, local } = await host.ask(routes.who, { parameters: { vm: VM } });
  if (storeUrl === null) return;
  const { hostId } = await host.ask(routes.version);
  // A teleport that failed may not have been able to say so; nobody can claim it then either.
  const isOurs = (record?.state === 'running' || record?.state === 'departing') && record.owner === hostId;
  if (!isOurs || record.epoch !== local?.epoch)
    violated('record', `it runs on ${host.name}, and the store says ${JSON.stringify(record ?? trouble)}`);
}
