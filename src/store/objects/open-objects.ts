import type { Env } from '../../env/env.ts';
import { pathOfStore } from '../store-url.ts';
import { REQUESTS_AT_ONCE_DEFAULT } from './limits.ts';
import { LocalObjects } from './local/local-objects.ts';
import type { ObjectStore } from './object-store.ts';
import { CredentialSource } from './s3/credentials.ts';
import { S3Objects } from './s3/s3-objects.ts';
import { readS3Settings } from './s3/s3-settings.ts';
import { limited } from './wrappers/limited.ts';
import { StoreFigures, measured } from './wrappers/measured.ts';
import { paced } from './wrappers/paced.ts';
import type { Pace } from './wrappers/paced.ts';
import { retrying } from './wrappers/retrying.ts';
import { settled } from './wrappers/settled.ts';
import { verified } from './wrappers/verified.ts';

export type ObjectsEnv = Pick<Env, 'clock' | 'compute' | 'files' | 'host' | 'http' | 'processes' | 'random'>;

export interface ReliableOptions {
  readonly requestsAtOnce?: number;
  readonly pace?: Pace;
  readonly figures?: StoreFigures;
}

/** The store that a URL names, bare: one try for each act. @throws KelpieError `invalid_argument`, `io_failed`. */
export async function openBareObjects(env: ObjectsEnv, url: string): Promise<ObjectStore> {
  if (!url.startsWith('s3://')) return new LocalObjects(env, url, pathOfStore(url));
  return new S3Objects(env, await readS3Settings(env, url), new CredentialSource(env));
}

/**
 * A store with everything around it, from the outside in: finds out lost answers, tries again, refuses wrong answers, waits for its
 * turn, keeps the pace, counts.
 */
export function reliable(
  bare: ObjectStore,
  env: Pick<Env, 'clock' | 'compute' | 'random'>,
  options: ReliableOptions = {},
): ObjectStore {
  const figures = options.figures ?? new StoreFigures();
  const counted = measured(bare, env.clock, figures);
  const slowed = options.pace === undefined ? counted : paced(counted, env.clock, options.pace);
  const queued = limited(slowed, options.requestsAtOnce ?? REQUESTS_AT_ONCE_DEFAULT);
  const countRetry = (act: Parameters<StoreFigures['of']>[0]): void => {
    figures.of(act).retries += 1;
  };
  return settled(retrying(verified(queued, env.compute), env, countRetry), env);
}

/** Opens the store that a URL names: an absolute path, `file:///path`, `s3://bucket/prefix?…` (docs/STORES.md). */
export async function openObjects(
  env: ObjectsEnv,
  url: string,
  options: ReliableOptions = {},
): Promise<ObjectStore> {
  return reliable(await openBareObjects(env, url), env, options);
}
