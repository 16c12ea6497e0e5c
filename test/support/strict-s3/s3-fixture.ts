import { createNodeEnv } from '../../../src/env/node/env.ts';
import type { Env } from '../../../src/env/env.ts';
import { openBareObjects, openObjects } from '../../../src/store/objects/open-objects.ts';
import type { ReliableOptions } from '../../../src/store/objects/open-objects.ts';
import type { ObjectStore } from '../../../src/store/objects/object-store.ts';
import type { CreateObjectsFixture } from '../object-store-suite.ts';
import type { S3Server } from './s3-server.ts';
import { testKeys } from './strict-s3.ts';

/** The real world, with the keys of the test services. */
export function s3Env(variables: Readonly<Record<string, string | undefined>> = {}): Env {
  return createNodeEnv({ variables: { HOME: '/nowhere', ...testKeys, ...variables } });
}

/** The URL of a place in a server's bucket. */
export function s3Url(
  { url, endpoint }: Pick<S3Server, 'url' | 'endpoint'>,
  prefix = '',
  query = '',
): string {
  return `${url}/${prefix}?endpoint=${encodeURIComponent(endpoint)}${query}`;
}

export async function openS3(
  server: S3Server,
  env: Env = s3Env(),
  options: ReliableOptions = {},
): Promise<ObjectStore> {
  return await openObjects(env, s3Url(server), options);
}

/** One try for each act. */
export async function openBareS3(server: S3Server, env: Env = s3Env(), query = ''): Promise<ObjectStore> {
  return await openBareObjects(env, s3Url(server, '', query));
}

/** For the contract: each test has a prefix of its own. */
export function s3Fixtures(serverOf: () => S3Server): CreateObjectsFixture {
  let tests = 0;
  return async () => {
    tests += 1;
    const url = s3Url(serverOf(), `tests/${tests}`);
    return { open: async () => await openObjects(s3Env(), url), close: async () => undefined };
  };
}
