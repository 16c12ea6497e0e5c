/** Stores over the API: whether they are encrypted, and for whom. */
import { z } from 'zod';
import { AGE_RECIPIENTS_MAX } from '../../env/age.ts';
import { storeUrl } from './fields.ts';
import { keyText } from './keys.ts';

const recipients = z
  .array(keyText)
  .max(AGE_RECIPIENTS_MAX, `must be at most ${AGE_RECIPIENTS_MAX}`)
  .default([]);

export interface StoreInit {
  readonly storeUrl: string;
  /** Public keys of age. */
  readonly recipients: readonly string[];
  /** This host too. */
  readonly self: boolean;
}
export const storeInit: z.ZodType<StoreInit> = z.strictObject({
  storeUrl,
  recipients,
  self: z.boolean().default(false),
});

export interface StoreRecipients {
  readonly storeUrl: string;
  /** Public keys of age; one that is a recipient already changes nothing. */
  readonly add: readonly string[];
  /** Each must be a recipient, and one must be left. */
  readonly remove: readonly string[];
}
export const storeRecipients: z.ZodType<StoreRecipients> = z.strictObject({
  storeUrl,
  add: recipients,
  remove: recipients,
});

export interface StoreRotate {
  readonly storeUrl: string;
}
export const storeRotate: z.ZodType<StoreRotate> = z.strictObject({ storeUrl });

export interface RecipientView {
  readonly recipient: string;
  readonly isThisHost: boolean;
}

/** The keys of an encrypted store, as this host left them. */
export interface StoreKeysView {
  readonly storeUrl: string;
  readonly recipients: readonly RecipientView[];
  /** Oldest first; the last seals what is new. */
  readonly keyIds: readonly string[];
  /** Counts the changes. */
  readonly revision: number;
}
const keysFields = {
  recipients: z.array(z.object({ recipient: z.string(), isThisHost: z.boolean() })),
  keyIds: z.array(z.string()),
  revision: z.int(),
} as const;
export const storeKeysView: z.ZodType<StoreKeysView> = z.object({ storeUrl, ...keysFields });

export interface EncryptionView extends Omit<StoreKeysView, 'storeUrl'> {
  /** Public key of whoever signed the list; null when nobody did. */
  readonly signedBy: string | null;
}

export interface StoreView {
  readonly storeUrl: string;
  /** Null where nobody has published yet. */
  readonly storeId: string | null;
  readonly formatVersion: number | null;
  /** Null when it is plain. As the store says: only to be believed when there is no `trouble`. */
  readonly encryption: EncryptionView | null;
  readonly packages: number;
  /** Why this host can neither read nor publish there; null when it can. */
  readonly trouble: string | null;
}
export const storeView: z.ZodType<StoreView> = z.object({
  storeUrl,
  storeId: z.string().nullable(),
  formatVersion: z.int().nullable(),
  encryption: z.object({ ...keysFields, signedBy: z.string().nullable() }).nullable(),
  packages: z.int(),
  trouble: z.string().nullable(),
});
