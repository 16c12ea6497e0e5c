/** How the daemons of a world run their Firecrackers: in cages or not, with a network or without. */
import { z } from 'zod';
import { Prng } from './prng.ts';
import type { SiteName } from './plan.ts';

const rootKinds = ['none', 'tap', 'bridge'] as const;
/** `user`: takes no rights, and is not for cages. */
const networkKinds = ['none', 'tap', 'bridge', 'user'] as const;

export interface FirecrackerHost {
  readonly isCaged: boolean;
  readonly network: (typeof networkKinds)[number];
}

export type FirecrackerHosts = Readonly<Record<SiteName, FirecrackerHost>>;

const plain: FirecrackerHost = { isCaged: false, network: 'none' };
/** Free, and without a network. */
export const plainHosts: FirecrackerHosts = { a: plain, b: plain };

/** Of the worlds where VMs are neither caged nor on devices of root's. */
const USER_SHARE = 0.6;
/** Of the worlds with Firecracker. */
const SPECIAL_SHARE = 0.5;
const SAME_SHARE = 0.8;

/** Mostly the same on both. */
export function drawFirecrackerHosts(seed: number): FirecrackerHosts {
  const random = Prng.named(seed, 'firecracker hosts');
  // Of its own, so that it changes nothing of worlds that have it not.
  const users = Prng.named(seed, 'user networks');
  if (!random.chance(SPECIAL_SHARE)) return users.chance(USER_SHARE) ? drawUsers(users) : plainHosts;
  const draw = (): FirecrackerHost => ({
    isCaged: random.chance(0.6),
    network: random.pick(rootKinds),
  });
  const a = draw();
  return { a, b: random.chance(SAME_SHARE) ? a : draw() };
}

/** Mostly on both. */
function drawUsers(random: Prng): FirecrackerHosts {
  const user: FirecrackerHost = { isCaged: false, network: 'user' };
  return { a: user, b: random.chance(SAME_SHARE) ? user : plain };
}

const hostSchema = z.object({ isCaged: z.boolean(), network: z.enum(networkKinds) });

export const firecrackerHostsSchema: z.ZodType<FirecrackerHosts> = z.object({ a: hostSchema, b: hostSchema });
