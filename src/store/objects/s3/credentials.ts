/**
 * Keys for a store, by the SDKs' standard chain; the first place that has any counts, and one that is named and fails is told, not passed over:
 *
 *     variables ─▶ a token that vouches (web identity) ─▶ the profile ─▶ the container's role ─▶ this machine's role
 *
 * Keys that run out are fetched again before they do, and when a service says that they have.
 */
import { utf8 } from '../../../base/bytes.ts';
import { MINUTE_MS } from '../../../base/units.ts';
import { isStoreTrouble } from '../store-trouble.ts';
import { readAwsFiles, readAwsProfile } from './aws-profile.ts';
import type { SourceEnv } from './sources/ask.ts';
import { containerKeys } from './sources/container-keys.ts';
import { instanceKeys } from './sources/instance-keys.ts';
import { profileKeys, regionOf } from './sources/profile-keys.ts';
import { keysByToken } from './sources/role-keys.ts';
import { noKeys } from './sources/temporary-keys.ts';
import { variableKeys } from './static-keys.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** By the clock of who gave them; absent: they do not run out. */
  readonly expiresAtMs?: number;
}

/** How long before they run out keys are fetched again; of those that are given for less than four times as long, a quarter of their time. */
const RENEW_BEFORE_MS: number = 5 * MINUTE_MS;

interface Held {
  readonly credentials: Credentials;
  readonly renewAtMs: number;
}

/** Keys for a while, and what a person had written down when they were given. */
interface Shared extends Held {
  readonly filesSha256: string;
}

/**
 * A store is opened for each operation, and for each renewal of a lease: a role's keys are not fetched for each of them, nor a program started. Keys that
 * a person wrote down are read each time, so that a change counts at once.
 */
const sharedKeys = new WeakMap<SourceEnv, Shared>();

/** Holds the keys so that nothing that shows an object shows them. */
export class CredentialSource {
  readonly #env: SourceEnv;
  #held: Held | null = null;
  /** One fetch serves all who wait. */
  #fetching: Promise<Credentials> | null = null;

  constructor(env: SourceEnv) {
    this.#env = env;
  }

  /** @throws StoreTrouble `no_credentials`, `unavailable`; KelpieError `io_failed`. */
  async current(): Promise<Credentials> {
    const held = this.#held;
    if (held === null) return (await this.#adopt()) ?? (await this.#fetch());
    if (this.#env.clock.wallMs() < held.renewAtMs) return held.credentials;
    try {
      return await this.#fetch();
    } catch (error) {
      // They are good for a while; the next request tries again.
      const isGood = (held.credentials.expiresAtMs ?? Infinity) > this.#env.clock.wallMs();
      if (isGood && isStoreTrouble(error)) return held.credentials;
      throw error;
    }
  }

  /** Looks again, after a service has refused `refused`. @returns whether there are other keys now. */
  async renew(refused: Credentials): Promise<boolean> {
    if (this.#held?.credentials === refused) await this.#fetch();
    const { accessKeyId, secretAccessKey, sessionToken } = await this.current();
    return (
      accessKeyId !== refused.accessKeyId ||
      secretAccessKey !== refused.secretAccessKey ||
      sessionToken !== refused.sessionToken
    );
  }

  /** What another source of this process has fetched, while it is good for long. */
  async #adopt(): Promise<Credentials | null> {
    const shared = sharedKeys.get(this.#env);
    if (shared === undefined || this.#env.clock.wallMs() >= shared.renewAtMs) return null;
    if (shared.filesSha256 !== (await filesSha256(this.#env))) return null;
    this.#held = shared;
    return shared.credentials;
  }

  async #fetch(): Promise<Credentials> {
    this.#fetching ??= this.#fetchAndHold().finally(() => {
      this.#fetching = null;
    });
    return await this.#fetching;
  }

  async #fetchAndHold(): Promise<Credentials> {
    const written = await filesSha256(this.#env);
    const credentials = await findKeys(this.#env);
    const nowMs = this.#env.clock.wallMs();
    const { expiresAtMs = Infinity } = credentials;
    const renewAtMs = expiresAtMs - Math.min(RENEW_BEFORE_MS, Math.max(0, expiresAtMs - nowMs) / 4);
    this.#held = { credentials, renewAtMs };
    if (credentials.expiresAtMs !== undefined)
      sharedKeys.set(this.#env, { credentials, renewAtMs, filesSha256: written });
    return credentials;
  }
}

async function filesSha256(env: SourceEnv): Promise<string> {
  return env.compute.sha256(utf8(await readAwsFiles(env)));
}

async function findKeys(env: SourceEnv): Promise<Credentials> {
  const found =
    variableKeys(env.host) ??
    (await tokenKeys(env)) ??
    (await profileKeys(env)) ??
    (await containerKeys(env)) ??
    (await instanceKeys(env));
  if (found !== null) return found;
  throw noKeys(
    'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and run kelpie daemon restart, or put them into a profile (docs/STORES.md has all places)',
  );
}

async function tokenKeys(env: SourceEnv): Promise<Credentials | null> {
  const [tokenFile, arn] = [
    env.host.variable('AWS_WEB_IDENTITY_TOKEN_FILE'),
    env.host.variable('AWS_ROLE_ARN'),
  ];
  if (tokenFile === null || arn === null || tokenFile === '' || arn === '') return null;
  const sessionName = env.host.variable('AWS_ROLE_SESSION_NAME');
  const region = regionOf(env, await readAwsProfile(env));
  return await keysByToken(env, { arn, region, sessionName }, tokenFile);
}
