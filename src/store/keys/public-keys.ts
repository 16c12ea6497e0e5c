/**
 * Public keys as people give them. What is none may be a secret that was taken for one: it is never repeated, neither in a sentence nor in a
 * log.
 */
import { KelpieError } from '../../base/errors.ts';
import { AgeRefused } from '../../env/age.ts';
import type { Env } from '../../env/env.ts';
import { parsePublicKey } from './signatures.ts';

const NOTHING: Uint8Array = new Uint8Array(0);
const AGE_SECRET = /AGE-SECRET-KEY-/i;
const SIGNING_SECRET = /ed25519-private:/i;
const RECIPIENT_LIKE = /^age1[0-9a-z]{1,100}$/;

/** Each is a public key of age that can be encrypted to. @throws KelpieError `invalid_argument`. */
export async function requireRecipients(
  { age }: Pick<Env, 'age'>,
  recipients: readonly string[],
): Promise<void> {
  for (const recipient of recipients) {
    requireRecipientLike(recipient);
    try {
      await age.encrypt(NOTHING, [recipient]);
    } catch (error) {
      if (!(error instanceof AgeRefused)) throw error;
      throw invalid(
        `${recipient} is not a public key of age, or was typed wrongly: give the line that \`kelpie key show\` prints on the host that shall read.`,
        error,
      );
    }
  }
}

/** It looks like a public key of age, and may be told. @throws KelpieError `invalid_argument`. */
export function requireRecipientLike(text: string): void {
  if (AGE_SECRET.test(text) || SIGNING_SECRET.test(text)) throw secretGiven();
  if (parsePublicKey(text) !== null)
    throw invalid(
      'that is a key that signatures are checked with; a recipient is a key of age, `age1…`: `kelpie key show` prints both.',
    );
  if (!RECIPIENT_LIKE.test(text))
    throw invalid(
      'a recipient is a public key of age, `age1…` (X25519; not of SSH, nor of a plugin): `kelpie key show` prints it on the host that shall read.',
    );
}

/** It is a public key that signatures can be checked with. @throws KelpieError `invalid_argument`. */
export function requireSignaturePublicKey(text: string): void {
  if (AGE_SECRET.test(text) || SIGNING_SECRET.test(text)) throw secretGiven();
  if (RECIPIENT_LIKE.test(text))
    throw invalid(
      'that is a key of age, which says who can read; whom to trust is a public signing key, `ed25519:…`: `kelpie key show` prints both.',
    );
  if (parsePublicKey(text) === null)
    throw invalid(
      'whom to trust is a public signing key, `ed25519:` and 64 hexadecimal digits: `kelpie key show` prints it on the host that signs.',
    );
}

function secretGiven(): KelpieError {
  return invalid(
    'that is a private key, which belongs nowhere but into its own file: give the public one. Whoever saw this line, or the history of the shell, has it: make a new one.',
  );
}

function invalid(message: string, cause?: unknown): KelpieError {
  return new KelpieError('invalid_argument', message, { cause });
}
