/** Where processes under test run: this machine, or a simulated one. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Env } from '../../src/env/env.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { descendants } from './descendants.ts';

export interface Outside {
  readonly env: Env;
  /** A new one, for one test. */
  makeFolder(): Promise<string>;
  /** Processes that a process started, and those that they did. */
  descendants(pid: number): readonly number[];
}

export function thisMachine(): Outside {
  return {
    env: createNodeEnv(),
    makeFolder: async () => await mkdtemp(join(tmpdir(), 'fc-')),
    descendants,
  };
}
