/** A host's own keys as people see them, and how they come to be. */
import { KelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import {
  createIdentityFile,
  createSigningKeyFile,
  hasNamedIdentityFile,
  readIdentities,
  readSigningKey,
} from './key-files.ts';
import { listTrusted, trustKeys } from './trusted-keys.ts';
import type { TrustedKey } from './trusted-keys.ts';

export type HostKeysEnv = Pick<Env, 'age' | 'compute' | 'files' | 'host' | 'random'>;

/** Nothing of it is secret. */
export interface HostKeys {
  /** Public keys of age of what this host can read with; the first is the one to give to others. */
  readonly recipients: readonly string[];
  /** Public key that this host signs with; null when it signs nothing. */
  readonly signingKey: string | null;
  /** Null when there is no list: anybody may publish. */
  readonly trusted: readonly TrustedKey[] | null;
}

/** What is said of this host's own key in its list. */
export const THIS_HOST_NOTE = 'this host';

/** Public keys of age of what a host can read with. @param home absolute path of `KELPIE_HOME`. @throws KelpieError as `readIdentities`. */
export async function readOwnRecipients(env: HostKeysEnv, home: string): Promise<readonly string[]> {
  const recipients: string[] = [];
  for (const identity of await readIdentities(env, home))
    recipients.push(await env.age.recipientOf(identity));
  return recipients;
}

/** @throws KelpieError as `readOwnRecipients`. */
export async function readHostKeys(env: HostKeysEnv, home: string): Promise<HostKeys> {
  const recipients = await readOwnRecipients(env, home);
  const signingKey = (await readSigningKey(env, home))?.publicKey ?? null;
  return { recipients, signingKey, trusted: await listTrusted(env, home) };
}

/**
 * Makes what this host lacks: an identity to read with, and with `sign` a key to sign with, which goes on the list of whom it trusts, where it has one.
 * Nothing that is there is written over.
 * @throws KelpieError `name_taken` when it lacks nothing, and as `readHostKeys`, `createIdentityFile`.
 */
export async function createHostKeys(env: HostKeysEnv, home: string, sign: boolean): Promise<HostKeys> {
  const before = await readHostKeys(env, home);
  const needsIdentity = before.recipients.length === 0;
  const needsSigningKey = sign && before.signingKey === null;
  if (!needsIdentity && !needsSigningKey) throw taken(sign);
  if (needsIdentity) {
    if (hasNamedIdentityFile(env)) {
      const message =
        'KELPIE_AGE_IDENTITY_FILE names the file with this host’s identity, and there is none in it: make one there with age-keygen, or unset the variable and restart the daemon.';
      throw new KelpieError('invalid_state', message);
    }
    await createIdentityFile(env, home);
  }
  if (needsSigningKey) {
    const { publicKey } = await createSigningKeyFile(env, home);
    if (before.trusted !== null) await trustKeys(env, home, [{ publicKey, note: THIS_HOST_NOTE }]);
  }
  return await readHostKeys(env, home);
}

function taken(sign: boolean): KelpieError {
  const message = sign
    ? 'this host has an identity and a signing key already (`kelpie key show`): nothing was changed.'
    : 'this host has an identity already (`kelpie key show`; --sign makes a signing key): nothing was changed.';
  return new KelpieError('name_taken', message);
}

/**
 * Trusts a public key. A list that is made by it begins with this host's own key: it would refuse its own packages otherwise. One writer at a time.
 * @throws KelpieError as `trustKeys`, `readSigningKey`.
 */
export async function trustSigner(env: HostKeysEnv, home: string, key: TrustedKey): Promise<HostKeys> {
  const { signingKey, trusted } = await readHostKeys(env, home);
  const isFirst = trusted === null && signingKey !== null && signingKey !== key.publicKey;
  const own = isFirst ? [{ publicKey: signingKey, note: THIS_HOST_NOTE }] : [];
  await trustKeys(env, home, [...own, key]);
  return await readHostKeys(env, home);
}
