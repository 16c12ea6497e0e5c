/**
 * The keys of an encrypted store: data keys, and the recipients who can read them.
 *
 *     createStoreKeys ──▶ sealed into store.json by sealStoreKeys ──▶ opened by any recipient with openStoreKeys
 *                              ▲                                              │
 *                              └── withRecipient, withoutRecipient, rotated ◀─┘
 *
 * Whoever was a recipient keeps what they could read: removing one rewraps the keys for the others, and only a rotation, after it,
 * keeps what is published from then on from them. Old keys stay, since old packs are sealed with them.
 */
import { assert, defined } from '../../base/assert.ts';
import { KelpieError } from '../../base/errors.ts';
import { AGE_RECIPIENTS_MAX } from '../../env/age.ts';
import type { Random } from '../../env/random.ts';
import { createDataKey } from './data-keys.ts';
import type { DataKey, Derive } from './data-keys.ts';
import { DATA_KEYS_MAX } from './limits.ts';

export interface StoreKeys {
  /** Oldest first, at least one; the last seals what is new. */
  readonly dataKeys: readonly DataKey[];
  /** Public keys of age, at least one. */
  readonly recipients: readonly string[];
  /** Counts the changes, so that an older list is noticed by who saw a newer one. */
  readonly revision: number;
}

type KeysEnv = { readonly compute: Derive; readonly random: Random };

/** Keys of a new store. @throws KelpieError `invalid_argument` without recipients, or with too many. */
export function createStoreKeys(env: KeysEnv, recipients: readonly string[]): StoreKeys {
  const unique = [...new Set(recipients)];
  checkRecipients(unique);
  return { dataKeys: [createDataKey(env)], recipients: unique, revision: 0 };
}

/** The key that seals what is new. */
export function newestKey({ dataKeys }: StoreKeys): DataKey {
  return defined(dataKeys.at(-1), 'the newest of the data keys');
}

/** The same when they are one already. @throws KelpieError `invalid_argument`. */
export function withRecipient(keys: StoreKeys, recipient: string): StoreKeys {
  if (keys.recipients.includes(recipient)) return keys;
  const recipients = [...keys.recipients, recipient];
  checkRecipients(recipients);
  return { ...keys, recipients, revision: keys.revision + 1 };
}

/** @throws KelpieError `not_found`; `invalid_argument` for the last one: nobody could read the store any more. */
export function withoutRecipient(keys: StoreKeys, recipient: string): StoreKeys {
  if (!keys.recipients.includes(recipient))
    throw new KelpieError('not_found', `${recipient} is not a recipient of this store.`);
  const recipients = keys.recipients.filter((other) => other !== recipient);
  if (recipients.length === 0) {
    const message = `${recipient} is the last recipient: without one nobody could read the store any more; add another first.`;
    throw new KelpieError('invalid_argument', message);
  }
  return { ...keys, recipients, revision: keys.revision + 1 };
}

/** With a new data key for what is published from now on. @throws KelpieError `limit_exceeded`. */
export function rotated(env: KeysEnv, keys: StoreKeys): StoreKeys {
  if (keys.dataKeys.length >= DATA_KEYS_MAX) {
    const message = `the keys of a store can be rotated ${DATA_KEYS_MAX - 1} times: copy its packages to a new store.`;
    throw new KelpieError('limit_exceeded', message);
  }
  const key = createDataKey(env);
  assert(
    keys.dataKeys.every(({ id }) => id !== key.id),
    'a new data key is none of the old ones',
  );
  return { ...keys, dataKeys: [...keys.dataKeys, key], revision: keys.revision + 1 };
}

function checkRecipients(recipients: readonly string[]): void {
  if (recipients.length === 0)
    throw new KelpieError('invalid_argument', 'an encrypted store needs a recipient who can read it.');
  if (recipients.length > AGE_RECIPIENTS_MAX)
    throw new KelpieError('invalid_argument', `a store has at most ${AGE_RECIPIENTS_MAX} recipients.`);
}
