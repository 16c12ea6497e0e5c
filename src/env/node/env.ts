import { createNodeAge } from './age.ts';
import { createCommandEnv } from './command-env.ts';
import { createNodeCompute } from './compute.ts';
import type { Env } from '../env.ts';
import type { NodeEnvOptions } from './command-env.ts';

/**
 * The real world.
 * @throws KelpieError `backend_unavailable` on a platform that Kelpie does not run on.
 */
export function createNodeEnv(options: NodeEnvOptions = {}): Env {
  return { ...createCommandEnv(options), compute: createNodeCompute(), age: createNodeAge() };
}
