import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { envSuite } from '../../../test/support/env-suite.ts';
import { processesSuite } from '../../../test/support/env-processes-suite.ts';
import { createNodeEnv } from './env.ts';
import type { EnvFixture } from '../../../test/support/env-suite.ts';

async function createFixture(): Promise<EnvFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-'));
  return {
    env: createNodeEnv(),
    directory,
    close: async () => await rm(directory, { recursive: true, force: true }),
  };
}

envSuite('node', createFixture);
processesSuite('node', createFixture);
