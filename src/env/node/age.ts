import { assert } from '../../base/assert.ts';
import { AGE_FILE_BYTES_MAX, AGE_RECIPIENTS_MAX, AgeRefused } from '../age.ts';
import type * as AgeEncryption from 'age-encryption';
import type { Bytes } from '../../base/bytes.ts';
import type { Age, AgePart } from '../age.ts';

// Other kinds that the library knows (passphrases, plugins, post-quantum) are refused: every host must be able to open them all.
const RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/;
const IDENTITY = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/;

/** Loaded with the first use: it takes 60 ms. */
const library = (): Promise<typeof AgeEncryption> => import('age-encryption');

export function createNodeAge(): Age {
  return {
    createIdentity: async () => await (await library()).generateX25519Identity(),
    recipientOf: async (identity) => {
      const { identityToRecipient } = await library();
      requireText('identity', IDENTITY, identity);
      return await attempt('identity', () => identityToRecipient(identity));
    },
    encrypt,
    decrypt,
  };
}

async function encrypt(plain: Bytes, recipients: readonly string[]): Promise<Bytes> {
  assert(recipients.length >= 1 && recipients.length <= AGE_RECIPIENTS_MAX, 'a few can read it');
  const { Encrypter } = await library();
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    requireText('recipient', RECIPIENT, recipient);
    await attempt('recipient', () => encrypter.addRecipient(recipient));
  }
  return await encrypter.encrypt(plain);
}

async function decrypt(file: Bytes, identities: readonly string[]): Promise<Bytes | null> {
  if (file.byteLength > AGE_FILE_BYTES_MAX) throw new AgeRefused('file');
  const { Decrypter } = await library();
  const decrypter = new Decrypter();
  for (const identity of identities) {
    requireText('identity', IDENTITY, identity);
    await attempt('identity', () => decrypter.addIdentity(identity));
  }
  let isForOthers = false;
  // It is asked last, when none of the others could open the file: the library tells that by the text of an error only.
  decrypter.addIdentity({
    unwrapFileKey: () => {
      isForOthers = true;
      return null;
    },
  });
  try {
    return await decrypter.decrypt(file);
  } catch (error) {
    if (isForOthers) return null;
    throw new AgeRefused('file', error);
  }
}

function requireText(part: AgePart, pattern: RegExp, text: string): void {
  if (!pattern.test(text)) throw new AgeRefused(part);
}

async function attempt<T>(part: AgePart, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw new AgeRefused(part, error);
  }
}
