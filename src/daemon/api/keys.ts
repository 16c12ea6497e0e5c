/** The keys of this host over the API: public halves only. */
import { z } from 'zod';
import { KEY_TEXT_LENGTH_MAX, TRUST_NOTE_LENGTH_MAX } from './limits.ts';

/** A public key. What it must be is checked where its kind is known: what is none may be a secret, and is not told back. */
export const keyText: z.ZodType<string> = z
  .string()
  .min(1, 'must not be empty')
  .max(KEY_TEXT_LENGTH_MAX, `must have at most ${KEY_TEXT_LENGTH_MAX} characters`);

export interface KeyInit {
  /** Also a key to sign with. */
  readonly sign: boolean;
}
export const keyInit: z.ZodType<KeyInit> = z.strictObject({ sign: z.boolean().default(false) });

export interface KeyTrust {
  readonly publicKey: string;
  /** Whose it is. */
  readonly note: string;
}
export const keyTrust: z.ZodType<KeyTrust> = z.strictObject({
  publicKey: keyText,
  note: z
    .string()
    .max(TRUST_NOTE_LENGTH_MAX, `must have at most ${TRUST_NOTE_LENGTH_MAX} characters`)
    .regex(/^[^\p{Cc}\p{Zl}\p{Zp}]*$/u, 'must be one line')
    .default(''),
});

export interface KeyDistrust {
  readonly publicKey: string;
}
export const keyDistrust: z.ZodType<KeyDistrust> = z.strictObject({ publicKey: keyText });

export interface KeysView {
  /** Public keys of age of what this host can read with; the first is the one to give to others. */
  readonly recipients: readonly string[];
  /** What it signs with; null when it signs nothing. */
  readonly signingKey: string | null;
  /** Null when there is no list: anybody may publish. Empty: nobody. */
  readonly trusted: readonly { readonly publicKey: string; readonly note: string }[] | null;
}
export const keysView: z.ZodType<KeysView> = z.object({
  recipients: z.array(z.string()),
  signingKey: z.string().nullable(),
  trusted: z.array(z.object({ publicKey: z.string(), note: z.string() })).nullable(),
});
