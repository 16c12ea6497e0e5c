/** Keys as the places give them that make them for a while. */
import { z } from 'zod';
import { StoreTrouble } from '../../store-trouble.ts';
import { parseIsoTime } from '../civil-time.ts';
import type { Credentials } from '../credentials.ts';

const word = z.string().min(1).max(16_384);
/** The SDKs write the token's name in two ways. */
const keysSchema = z
  .object({
    AccessKeyId: word,
    SecretAccessKey: word,
    Token: word.optional(),
    SessionToken: word.optional(),
    Expiration: z.string().optional(),
  })
  .transform((keys): Credentials | null => {
    const token = keys.SessionToken ?? keys.Token;
    const expiresAtMs = keys.Expiration === undefined ? undefined : parseIsoTime(withZ(keys.Expiration));
    if (expiresAtMs === null) return null;
    return {
      accessKeyId: keys.AccessKeyId,
      secretAccessKey: keys.SecretAccessKey,
      ...(token === undefined ? {} : { sessionToken: token }),
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    };
  });

/** The zone is written as an offset by some; UTC is the only one that any writes. */
function withZ(time: string): string {
  return time.replace(/[+-]00:?00$/, 'Z');
}

/** @param what gave them, for the sentence, which never has any of the text. @throws StoreTrouble `no_credentials`. */
export function parseKeys(value: unknown, what: string): Credentials {
  const parsed = keysSchema.safeParse(value);
  if (parsed.success && parsed.data !== null) return parsed.data;
  throw noKeys(`${what} gave something that is not keys`);
}

/** @throws StoreTrouble `no_credentials` for what is no JSON. */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Without the parser's word, which repeats the text: there may be keys in it.
    throw noKeys(`${what} gave something that is not JSON`);
  }
}

export function noKeys(reason: string, cause?: unknown): StoreTrouble {
  return new StoreTrouble('no_credentials', `there are no keys for the store: ${reason}.`, { cause });
}
