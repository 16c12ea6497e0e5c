/** Who can read what lies in a store, and who signed it, told to people. */
import type { SealView } from '../daemon/api/packages.ts';

/** `encrypted for 3 recipients`, `not encrypted` */
export function sealText({ isEncrypted, recipientCount }: SealView): string {
  if (!isEncrypted) return 'not encrypted';
  if (recipientCount === null) return 'encrypted for others';
  return `encrypted for ${recipientCount} ${recipientCount === 1 ? 'recipient' : 'recipients'}`;
}

/** `signed by ed25519:…`, `not signed` */
export function signatureText(signedBy: string | null): string {
  return signedBy === null ? 'not signed' : `signed by ${signedBy}`;
}

/** `ed25519:8a88e3dd`: enough to tell the keys of a team apart, not to trust one. */
export function shortKey(publicKey: string): string {
  return publicKey.slice(0, 'ed25519:'.length + 8);
}
