/**
 * Stands in for age, whose library draws its own randomness and computes on threads of its own. It refuses what age refuses and
 * is as seeded as the rest, but keeps no secret: a file is its recipients and what was encrypted, with a digest.
 */
import { assert } from '../../base/assert.ts';
import { concat, equalBytes, fromHex, fromUtf8Lossy, hex, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { AGE_FILE_BYTES_MAX, AGE_RECIPIENTS_MAX, AgeRefused } from '../../env/age.ts';
import type { Age, AgePart } from '../../env/age.ts';
import type { Random } from '../../env/random.ts';
import type { SimProcess } from '../process.ts';

const IDENTITY = /^AGE-SECRET-KEY-1(?<key>[0-9A-F]{58})$/;
const RECIPIENT = /^age1(?<key>[0-9a-f]{58})$/;
const KEY_BYTES = 27;
/** Of a key's text: a wrong letter is noticed. */
const CHECK_DIGITS = 4;
const DIGEST_BYTES = 32;
const NONCE_BYTES = 16;
const HEADER = 'simulated-age';

export function createSimAge(process: SimProcess, random: Random): Age {
  const sha256 = (bytes: Bytes): Bytes => fromHex(process.machine.compute.sha256(bytes));
  const checked = (digits: string): string => digits + hex(sha256(utf8(digits))).slice(0, CHECK_DIGITS);
  const keyOf = (part: AgePart, pattern: RegExp, text: string): string => {
    const key = pattern.exec(text)?.groups?.['key']?.toLowerCase();
    if (key === undefined || key !== checked(key.slice(0, -CHECK_DIGITS))) throw new AgeRefused(part);
    return key;
  };
  const recipientOf = (identity: string): string => {
    const key = keyOf('identity', IDENTITY, identity);
    return `age1${checked(hex(sha256(utf8(key)).subarray(0, KEY_BYTES)))}`;
  };
  return {
    createIdentity: () =>
      process.call('age.createIdentity', () => {
        const key = checked(hex(random.bytes(KEY_BYTES)));
        return `AGE-SECRET-KEY-1${key.toUpperCase()}`;
      }),
    recipientOf: (identity) => process.call('age.recipientOf', () => recipientOf(identity)),
    encrypt: (plain, recipients) =>
      process.call('age.encrypt', () => {
        assert(recipients.length >= 1 && recipients.length <= AGE_RECIPIENTS_MAX, 'a few can read it');
        for (const recipient of recipients) keyOf('recipient', RECIPIENT, recipient);
        const header = utf8(`${[HEADER, ...recipients].join(' ')}\n`);
        // Encrypted twice, the same is never the same bytes.
        const body = concat([header, random.bytes(NONCE_BYTES), plain]);
        return concat([sha256(body), body]);
      }),
    decrypt: (file, identities) =>
      process.call('age.decrypt', () => {
        const mine = identities.map(recipientOf);
        const body = file.subarray(DIGEST_BYTES);
        const end = body.indexOf(10);
        const [format, ...recipients] = fromUtf8Lossy(body.subarray(0, end)).split(' ');
        const isWhole = end > 0 && format === HEADER && file.byteLength <= AGE_FILE_BYTES_MAX;
        if (!isWhole) throw new AgeRefused('file');
        if (!recipients.some((recipient) => mine.includes(recipient))) return null;
        if (!equalBytes(sha256(body), file.subarray(0, DIGEST_BYTES))) throw new AgeRefused('file');
        return body.slice(end + 1 + NONCE_BYTES);
      }),
  };
}
