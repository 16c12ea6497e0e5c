/**
 * What a run is: a world, who does what, what goes wrong, and in which order ready acts are done. A plan is drawn from a seed with much
 * left open (which command fits, where a fault strikes); a run fills that in, and the plan it gives back, with everything in its place, is
 * the same run again, and can be cut.
 */
import { z } from 'zod';
import { KelpieError } from '../base/errors.ts';
import { errand } from './errand.ts';
import { chanceRange, faultNames, vmmFaults } from './fault-names.ts';
import type { FaultName } from './fault-names.ts';
import type { FaultChances } from './faults.ts';
import { drawFirecrackerHosts, firecrackerHostsSchema, plainHosts } from './firecracker-hosts.ts';
import type { FirecrackerHosts } from './firecracker-hosts.ts';
import { Prng } from './prng.ts';
import { strategyNames } from './strategies.ts';
import type { StrategyName } from './strategies.ts';

export const siteNames = ['a', 'b'] as const;
export type SiteName = (typeof siteNames)[number];

export const actNames = [
  'up',
  'snapshot',
  'teleport',
  'restoreFromStore',
  'checkpoint',
  'restoreCheckpoint',
  'restoreLocal',
  'count',
  'pause',
  'resume',
  'suspend',
  'stop',
  'start',
  'remove',
  'shutdown',
  'reclaim',
  'fork',
  'forkPackage',
] as const;
export type ActName = (typeof actNames)[number];

/** A person's command, or (`none`) a look without one. */
export interface PlannedAct {
  readonly site: SiteName;
  /** How long the person thinks before. */
  readonly thinkMs: number;
  readonly name: ActName | 'none';
  readonly vm: string | null;
  /** The command's own choice: to replace, to force. */
  readonly isBold: boolean;
  /** The person does not wait for its end before the next one, as in two terminals. */
  readonly isLeft: boolean;
}

export const troubleNames = [
  'daemon_crash',
  'vmm_crash',
  'vm_crash',
  'host_power_loss',
  'disk_full',
  'clock_jump',
  'network_partition',
] as const;
/** A fault that comes by itself. */
export type TroubleName = (typeof troubleNames)[number];

/** What happens by itself at its time. */
export interface Trouble {
  readonly atMs: number;
  readonly name: TroubleName;
  readonly site: SiteName;
  /** In [0, 1): how long, how far, whom. */
  readonly share: number;
}

export const aimKinds = ['crash-before', 'crash-after', 'fail', 'answer-lost'] as const;
export type AimKind = (typeof aimKinds)[number];

/** What happens to one call of a process. */
export interface Aim {
  readonly actor: string;
  readonly site: string;
  /** The how-manieth call of that kind by that actor, from 1. */
  readonly call: number;
  readonly kind: AimKind;
}

/** The version of each site's Firecracker; null where VMs run on QEMU alone. */
export type Firecrackers = Readonly<Record<SiteName, string | null>>;

export const noFirecrackers: Firecrackers = { a: null, b: null };

export const storeKinds = ['directory', 's3'] as const;
/** Where packages and records are: on a disk, or at a service that is reached over the network. */
export type StoreKind = (typeof storeKinds)[number];

export interface Plan {
  readonly seed: number;
  readonly strategy: StrategyName;
  /** Both homes and the store are on one machine, whose power takes them all. */
  readonly isOneMachine: boolean;
  readonly store: StoreKind;
  /** Both hosts can read it, and nobody else. */
  readonly isEncrypted: boolean;
  /** The second site has the image from the beginning too. */
  readonly hasFarImage: boolean;
  /** VMs are held by leases and reclaimed, and the way to the store is cut. */
  readonly isVanishing: boolean;
  /** People wait for nothing: both begin at the same moments, and put one command on top of another. */
  readonly isRushed: boolean;
  readonly firecrackers: Firecrackers;
  readonly firecrackerHosts: FirecrackerHosts;
  /** The commands; or how many are drawn while it runs. */
  readonly acts: readonly PlannedAct[] | number;
  readonly troubles: readonly Trouble[];
  readonly chances: FaultChances;
  /** The keys of the faults that strike; null: by their chances. */
  readonly strikes: readonly string[] | null;
  readonly aim: Aim | null;
}

/** [least, most] commands of all people together. Many short runs find more than few long ones. */
const ACTS: readonly [number, number] = [2, 12];
const CROWD_ACTS: readonly [number, number] = [20, 60];
/** Enough for a VM to be made, to go, and to be lost on the way. */
const VANISH_ACTS: readonly [number, number] = [20, 60];
const RUSH_ACTS: readonly [number, number] = [8, 24];
/** Enough for a second snapshot of one process, and to go on from it. */
const FIRECRACKER_ACTS: readonly [number, number] = [10, 30];
const TROUBLE_PAUSE_MS_MAX = 4000;
/** How many worlds have their store at a service. */
const S3_SHARE = 0.4;
/** And encrypted. */
const ENCRYPTED_SHARE = 0.2;
/** How many worlds have Firecracker. */
const FIRECRACKER_SHARE = 0.25;
/** How often a seed has a fault of a VMM's own where there is Firecracker, so that its few worlds do not wait for them. */
const FIRECRACKER_FAULT_SHARE = 0.5;
/** How often a loss of power takes what was not synced: without that it is another crash, and without a loss of power nothing is lost. */
const UNFLUSHED_SHARE = 0.8;
/** Each writes snapshots, or knows requests, that one before it does not; the last two have the deaf vsock. */
const firecrackerVersions = ['1.12.1', '1.14.3', '1.15.1', '1.16.0', '1.16.1'] as const;
const PARTITION_PAUSE_MS_MAX = 40_000;
/** Commands are over long before. */
const TROUBLE_END_MS = 120_000;

export const workloadNames = ['people', 'crowd', 'errand', 'vanish', 'firecracker', 'rush'] as const;
/**
 * `people`: some random commands; `crowd`: many; `errand`: always the same ones; `vanish`: leases and reclaims, and a store that is cut off; `firecracker`: it is in
 * every world, and VMs live longer; `rush`: both hosts at once, and several commands on one VM.
 */
export type WorkloadName = (typeof workloadNames)[number];

/** What limits the worlds of a campaign. */
export interface Choice {
  /** The faults that may be drawn; null: every one. */
  readonly faults: ReadonlySet<string> | null;
  readonly workload: WorkloadName;
  /** Where the store is; absent: drawn. */
  readonly store?: StoreKind;
}

export const anything: Choice = { faults: null, workload: 'people' };

export function drawPlan(seed: number, choice: Choice = anything): Plan {
  const random = Prng.named(seed, 'plan');
  const kind = random.fraction();
  const stores = Prng.named(seed, 'store');
  const store = stores.chance(S3_SHARE) ? 's3' : 'directory';
  // Who vanishes must have been apart.
  const isOneMachine = random.chance(0.5) && choice.workload !== 'vanish';
  const firecrackers = drawFirecrackers(seed, isOneMachine, choice.workload);
  const chances = drawChances(seed, choice.faults, firecrackers);
  return {
    seed,
    strategy: kind < 0.5 ? 'random' : kind < 0.65 ? 'fifo' : 'priority',
    isOneMachine,
    store: choice.store ?? store,
    isEncrypted: stores.chance(ENCRYPTED_SHARE),
    hasFarImage: random.chance(0.5),
    isVanishing: choice.workload === 'vanish',
    isRushed: choice.workload === 'rush',
    firecrackers,
    firecrackerHosts: firecrackers === noFirecrackers ? plainHosts : drawFirecrackerHosts(seed),
    acts: drawActs(random.split('acts'), choice.workload),
    troubles: [
      ...drawTroubles(random.split('troubles'), chances),
      ...drawPartitions(Prng.named(seed, 'partitions'), chances),
    ].toSorted((a, b) => a.atMs - b.atMs),
    chances,
    strikes: null,
    aim: null,
  };
}

/** Mostly the same on both hosts, sometimes another one or none. */
function drawFirecrackers(seed: number, isOneMachine: boolean, workload: WorkloadName): Firecrackers {
  const random = Prng.named(seed, 'firecrackers');
  if (workload === 'errand') return noFirecrackers;
  if (!random.chance(FIRECRACKER_SHARE) && workload !== 'firecracker') return noFirecrackers;
  const one = random.pick(firecrackerVersions);
  const kind = random.fraction();
  if (isOneMachine || kind < 0.6) return { a: one, b: one };
  const other = kind < 0.8 ? random.pick(firecrackerVersions) : null;
  return random.chance(0.5) ? { a: one, b: other } : { a: other, b: one };
}

function drawActs(random: Prng, workload: WorkloadName): Plan['acts'] {
  if (workload === 'errand') return errand;
  const [least, most] = {
    people: ACTS,
    crowd: CROWD_ACTS,
    vanish: VANISH_ACTS,
    firecracker: FIRECRACKER_ACTS,
    rush: RUSH_ACTS,
  }[workload];
  return random.between(least, most);
}

function drawChances(
  seed: number,
  only: ReadonlySet<string> | null,
  firecrackers: Firecrackers,
): FaultChances {
  const share = Prng.named(seed, 'chances').pick([0, 0.1, 0.2, 0.2, 0.4]);
  const hasFirecracker = firecrackers.a !== null || firecrackers.b !== null;
  const shareOf = (name: FaultName): number => {
    if (share === 0) return 0;
    if (name === 'storage_unflushed_loss' && chances.host_power_loss !== undefined) return UNFLUSHED_SHARE;
    return hasFirecracker && vmmFaults.has(name) ? Math.max(share, FIRECRACKER_FAULT_SHARE) : share;
  };
  const chances: Partial<Record<FaultName, number>> = {};
  for (const name of faultNames) {
    // Of its own, so that a new fault changes nothing of the others.
    const own = Prng.named(seed, `chance of ${name}`);
    const [least, most] = chanceRange(name);
    const chance = least * (most / least) ** own.fraction();
    // Who asks for some faults wants to see them.
    const isDrawn = own.chance(only === null ? shareOf(name) : 0.6);
    if (isDrawn && (only === null || only.has(name))) chances[name] = chance;
  }
  return chances;
}

const ownTroubles = troubleNames.filter((name) => name !== 'network_partition');

function drawTroubles(random: Prng, chances: FaultChances): readonly Trouble[] {
  const troubles: Trouble[] = [];
  for (let atMs = 0; ;) {
    atMs += random.fraction() * TROUBLE_PAUSE_MS_MAX;
    if (atMs > TROUBLE_END_MS) return troubles;
    const site = random.pick(siteNames);
    for (const name of ownTroubles) {
      const share = random.fraction();
      if (random.chance(chances[name] ?? 0)) troubles.push({ atMs, name, site, share });
    }
  }
}

/** Apart from other troubles: they last, and so are rarer. */
function drawPartitions(random: Prng, chances: FaultChances): readonly Trouble[] {
  const troubles: Trouble[] = [];
  for (let atMs = 0; ;) {
    atMs += random.fraction() * PARTITION_PAUSE_MS_MAX;
    if (atMs > TROUBLE_END_MS) return troubles;
    const [site, share] = [random.pick(siteNames), random.fraction()];
    if (random.chance(chances.network_partition ?? 0))
      troubles.push({ atMs, name: 'network_partition', site, share });
  }
}

export const planSchema: z.ZodType<Plan> = z.object({
  seed: z.int().nonnegative(),
  strategy: z.enum(strategyNames),
  isOneMachine: z.boolean(),
  store: z.enum(storeKinds).default('directory'),
  isEncrypted: z.boolean().default(false),
  hasFarImage: z.boolean(),
  isVanishing: z.boolean().default(false),
  isRushed: z.boolean().default(false),
  firecrackers: z.object({ a: z.string().nullable(), b: z.string().nullable() }).default(noFirecrackers),
  firecrackerHosts: firecrackerHostsSchema.default(plainHosts),
  acts: z.union([
    z.int().nonnegative(),
    z.array(
      z.object({
        site: z.enum(siteNames),
        thinkMs: z.number().nonnegative(),
        name: z.enum([...actNames, 'none']),
        vm: z.string().nullable(),
        isBold: z.boolean(),
        isLeft: z.boolean().default(false),
      }),
    ),
  ]),
  troubles: z.array(
    z.object({
      atMs: z.number().nonnegative(),
      name: z.enum(troubleNames),
      site: z.enum(siteNames),
      share: z.number().min(0).lt(1),
    }),
  ),
  chances: z.partialRecord(z.enum(faultNames), z.number().min(0).max(1)),
  strikes: z.array(z.string()).nullable(),
  aim: z
    .object({ actor: z.string(), site: z.string(), call: z.int().positive(), kind: z.enum(aimKinds) })
    .nullable(),
});

/** @throws KelpieError `usage` when it is no plan. */
export function parsePlan(text: string, name: string): Plan {
  try {
    return planSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new KelpieError('usage', `${name} is no plan of a simulation: \`kelpie sim shrink\` writes one.`, {
      cause: error,
    });
  }
}
