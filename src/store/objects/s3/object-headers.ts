import type { Encryption } from './s3-settings.ts';

/** What we keep is nobody's document. */
export const objectType: Readonly<Record<string, string>> = { 'content-type': 'application/octet-stream' };

/** How the service is to encrypt what it keeps; without them it does as the bucket says. */
export function encryptionHeaders(encryption: Encryption): Readonly<Record<string, string>> {
  if (encryption.kind === 'service') return {};
  const headers = { 'x-amz-server-side-encryption': encryption.kind };
  if (encryption.kind === 'AES256' || encryption.keyId === null) return headers;
  return { ...headers, 'x-amz-server-side-encryption-aws-kms-key-id': encryption.keyId };
}
