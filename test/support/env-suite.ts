/**
 * The contract of `Env` as tests. Every implementation runs all of it: the simulated world is only worth as much as
 * it agrees with the real one.
 */
import { ageSuite } from './env-age-suite.ts';
import { clockSuite, computeSuite, randomSuite } from './env-basics-suite.ts';
import { filesSuite } from './env-files-suite.ts';
import { fileLockSuite } from './env-file-lock-suite.ts';
import { framesSuite } from './env-frames-suite.ts';
import { httpSuite } from './env-http-suite.ts';
import { socketsSuite } from './env-sockets-suite.ts';
import type { Env } from '../../src/env/env.ts';

/** A world for one test, with an empty private directory in it. */
export interface EnvFixture {
  readonly env: Env;
  /** Short enough for a Unix socket in it. */
  readonly directory: string;
  close(): Promise<void>;
}

export type CreateFixture = () => Promise<EnvFixture>;

/** All of the contract but processes, whose programs are of one world only: `processesSuite`. */
export function envSuite(name: string, createFixture: CreateFixture): void {
  clockSuite(name, createFixture);
  randomSuite(name, createFixture);
  computeSuite(name, createFixture);
  framesSuite(name, createFixture);
  ageSuite(name, createFixture);
  filesSuite(name, createFixture);
  fileLockSuite(name, createFixture);
  socketsSuite(name, createFixture);
  httpSuite(name, createFixture);
}
