/**
 * The `keys` of a store's `store.json`: the data keys in an age file for all recipients, and in the clear who they are. Age does not say who
 * wrote a file, so a tag under all data keys together says that the list of recipients is that of somebody who had them, and a signature says whose.
 */
import { z } from 'zod';
import { concat, fromHex, hex, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { KelpieError } from '../../base/errors.ts';
import { AGE_FILE_BYTES_MAX, AGE_RECIPIENTS_MAX, AgeRefused } from '../../env/age.ts';
import type { Env } from '../../env/env.ts';
import { sha256Schema } from '../../snapshot/metadata-codec.ts';
import { hexText } from '../packages/sealed-part.ts';
import { DATA_KEY_BYTES, dataKeyOf, tagOfKeys } from './data-keys.ts';
import type { DataKey } from './data-keys.ts';
import { DATA_KEYS_MAX } from './limits.ts';
import { checkSignature, sign } from './signatures.ts';
import type { Signature, SigningKey } from './signatures.ts';
import type { StoreKeys } from './store-keys.ts';

type KeysEnv = Pick<Env, 'age' | 'compute'>;

/** JSON, as it stands in `store.json`. */
export interface KeysDocument {
  /** Of the data keys, oldest first. */
  readonly keyIds: readonly string[];
  readonly recipients: readonly string[];
  readonly revision: number;
  readonly signature?: Signature | undefined;
  readonly tag: string;
  /** The age file, in hexadecimal. */
  readonly wrapped: string;
}

const areUnique = (words: readonly string[]): boolean => new Set(words).size === words.length;
const keyId = z.string().regex(/^[0-9a-f]{16}$/);
const recipient = z.string().regex(/^age1[0-9a-z]{1,100}$/);

const documentSchema: z.ZodType<KeysDocument> = z.strictObject({
  keyIds: z.array(keyId).min(1).max(DATA_KEYS_MAX).refine(areUnique, 'a key is named twice'),
  recipients: z
    .array(recipient)
    .min(1)
    .max(AGE_RECIPIENTS_MAX)
    .refine(areUnique, 'a recipient is named twice'),
  revision: z.int().nonnegative(),
  signature: z.strictObject({ publicKey: z.string().max(200), value: hexText(128) }).optional(),
  tag: sha256Schema,
  wrapped: hexText(2 * AGE_FILE_BYTES_MAX),
});

/** @param signer signs the document; null when this host signs nothing. @throws KelpieError `invalid_argument` for a recipient that is none. */
export async function sealStoreKeys(
  env: KeysEnv,
  { dataKeys, recipients, revision }: StoreKeys,
  signer: SigningKey | null,
): Promise<KeysDocument> {
  const wrapped = hex(await wrap(env, dataKeys, recipients));
  const named = { keyIds: dataKeys.map(({ id }) => id), recipients, revision, wrapped };
  const unsigned = { ...named, tag: tagOfKeys(env.compute, dataKeys, digestOf(env, named)) };
  if (signer === null) return unsigned;
  const signature = sign(env.compute, signer, 'store keys', utf8(canonicalJson(unsigned)));
  return { ...unsigned, signature };
}

export interface OpenKeysOptions {
  /** Where the document comes from, for sentences: the store's URL. */
  readonly url: string;
  /** This host's private keys of age. */
  readonly identities: readonly string[];
  /** Public keys, one of which must have signed the document; null when nobody need have. */
  readonly trusted: ReadonlySet<string> | null;
}

/**
 * The keys in a document that is not trusted.
 * @throws KelpieError `package_corrupt` when it is damaged or forged; `permission_denied` when it is not for this host, or not signed as this host wants
 * it; `invalid_argument` for an identity that is none.
 */
export async function openStoreKeys(
  env: KeysEnv,
  document: unknown,
  { url, identities, trusted }: OpenKeysOptions,
): Promise<StoreKeys> {
  const what = `the store ${url}`;
  const { signature = null, ...unsigned } = readKeysDocument(document, url);
  const rules = { trusted, kind: 'store keys', what } as const;
  checkSignature(env.compute, rules, utf8(canonicalJson(unsigned)), signature);
  const { tag, ...named } = unsigned;
  const dataKeys = await unwrap(env, fromHex(named.wrapped), identities, what);
  const isWhole =
    dataKeys.map(({ id }) => id).join(' ') === named.keyIds.join(' ') &&
    tagOfKeys(env.compute, dataKeys, digestOf(env, named)) === tag;
  if (!isWhole) throw damaged(what, 'its keys were changed by somebody who does not have them');
  return { dataKeys, recipients: named.recipients, revision: named.revision };
}

/** What anybody can read of it: not trusted. @throws KelpieError `package_corrupt`. */
export function readKeysDocument(document: unknown, url: string): KeysDocument {
  const parsed = documentSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  throw damaged(`the store ${url}`, 'its keys are damaged', parsed.error);
}

function digestOf(env: KeysEnv, named: Omit<KeysDocument, 'tag' | 'signature'>): string {
  return env.compute.sha256(utf8(canonicalJson(named)));
}

async function wrap(
  env: KeysEnv,
  dataKeys: readonly DataKey[],
  recipients: readonly string[],
): Promise<Bytes> {
  try {
    return await env.age.encrypt(concat(dataKeys.map(({ bytes }) => bytes)), recipients);
  } catch (error) {
    if (!(error instanceof AgeRefused)) throw error;
    const message =
      'one of the recipients is not a public key of age: give the line that `kelpie key show` prints, `age1…`.';
    throw new KelpieError('invalid_argument', message, { cause: error });
  }
}

async function unwrap(
  env: KeysEnv,
  wrapped: Bytes,
  identities: readonly string[],
  what: string,
): Promise<readonly DataKey[]> {
  const bytes = await decrypt(env, wrapped, identities, what);
  if (bytes === null) {
    const message =
      identities.length === 0
        ? `${what} is encrypted, and this host has no key: make one with \`kelpie key init\`, and let a recipient of the store add it.`
        : `${what} is encrypted for others: let one of its recipients add this host's key, which \`kelpie key show\` prints.`;
    throw new KelpieError('permission_denied', message);
  }
  const count = bytes.byteLength / DATA_KEY_BYTES;
  if (!Number.isInteger(count)) throw damaged(what, 'its keys are damaged');
  return Array.from({ length: count }, (_, index) =>
    dataKeyOf(env.compute, bytes.slice(index * DATA_KEY_BYTES, (index + 1) * DATA_KEY_BYTES)),
  );
}

async function decrypt(
  env: KeysEnv,
  wrapped: Bytes,
  identities: readonly string[],
  what: string,
): Promise<Bytes | null> {
  try {
    return await env.age.decrypt(wrapped, identities);
  } catch (error) {
    if (!(error instanceof AgeRefused)) throw error;
    if (error.part === 'file') throw damaged(what, 'its keys are damaged', error);
    const message = "one of this host's identities is not a private key of age: look at keys/identities.txt.";
    throw new KelpieError('invalid_argument', message, { cause: error });
  }
}

function damaged(what: string, reason: string, cause?: unknown): KelpieError {
  return new KelpieError('package_corrupt', `${what} cannot be used: ${reason}.`, { cause });
}
