/**
 * Keys for a store, from the first two places of the SDKs' standard chain: the variables `AWS_ACCESS_KEY_ID`,
 * `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`, then the profile's files. What the chain has further on (single sign-on, roles,
 * web identity, a cloud machine's own metadata) is left to the tools made for it, which can put their result in one of these two.
 */
import type { Env } from '../../../env/env.ts';
import { StoreTrouble } from '../store-trouble.ts';
import { readAwsProfile } from './aws-profile.ts';
import type { AwsProfile } from './aws-profile.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** Holds the keys so that nothing that shows an object shows them. */
export class CredentialSource {
  readonly #env: Pick<Env, 'files' | 'host'>;
  #credentials: Credentials | null = null;

  constructor(env: Pick<Env, 'files' | 'host'>) {
    this.#env = env;
  }

  /** @throws StoreTrouble `no_credentials`; KelpieError `io_failed`. */
  async current(): Promise<Credentials> {
    this.#credentials ??= await this.#read();
    return this.#credentials;
  }

  /** Looks again, after a service has refused `refused`. @returns whether there are other keys now. */
  async renew(refused: Credentials): Promise<boolean> {
    if (this.#credentials === refused) this.#credentials = await this.#read();
    const { accessKeyId, secretAccessKey, sessionToken } = await this.current();
    return (
      accessKeyId !== refused.accessKeyId ||
      secretAccessKey !== refused.secretAccessKey ||
      sessionToken !== refused.sessionToken
    );
  }

  async #read(): Promise<Credentials> {
    const { host } = this.#env;
    const found =
      credentialsOf((name) => host.variable(name.toUpperCase())) ??
      credentialsOf(ofProfile(await readAwsProfile(this.#env)));
    if (found !== null) return found;
    throw new StoreTrouble(
      'no_credentials',
      'there are no keys for the store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY and run kelpie daemon restart, or put them into a profile (for roles and single sign-on: aws configure export-credentials).',
    );
  }
}

function ofProfile(profile: AwsProfile): (name: string) => string | null {
  return (name) => profile.get(name) ?? null;
}

function credentialsOf(valueOf: (name: string) => string | null): Credentials | null {
  const accessKeyId = valueOf('aws_access_key_id');
  const secretAccessKey = valueOf('aws_secret_access_key');
  const sessionToken = valueOf('aws_session_token');
  if (accessKeyId === null || secretAccessKey === null || accessKeyId === '' || secretAccessKey === '')
    return null;
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === null || sessionToken === '' ? {} : { sessionToken }),
  };
}
