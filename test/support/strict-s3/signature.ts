/** Checks AWS Signature Version 4, written apart from the client's: what both get wrong in the same way is found against Ceph. */
import { createHash, createHmac } from 'node:crypto';
import type { ReceivedRequest } from '../../../src/sim/s3/wire.ts';
import type { Refused } from './faults.ts';

const SKEW_MS_MAX = 15 * 60_000;

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();

/** Null when the request is signed well, for this region, and now. */
export function signatureFault(
  request: ReceivedRequest,
  keys: Keys,
  region: string,
  service = 's3',
): Refused | null {
  const { headers, body } = request;
  const header =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([a-z0-9]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
  const [, accessKeyId, date, signedRegion, signedService, names, signature] =
    header.exec(headers['authorization'] ?? '') ?? [];
  if (names === undefined) return { status: 403, code: 'AccessDenied' };
  if (accessKeyId !== keys.accessKeyId) return { status: 403, code: 'InvalidAccessKeyId' };
  const time = headers['x-amz-date'] ?? '';
  const signedMs = Date.parse(time.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
  if (!(Math.abs(signedMs - Date.now()) < SKEW_MS_MAX)) return { status: 403, code: 'RequestTimeTooSkewed' };
  if (signedRegion !== region || signedService !== service)
    return { status: 400, code: 'AuthorizationHeaderMalformed' };
  const mustBeSigned = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
  if (mustBeSigned.some((name) => !names.split(';').includes(name)))
    return { status: 403, code: 'AccessDenied' };
  const [path = '', query = ''] = request.url.split('?');
  const canonical = [
    request.method,
    path,
    query.split('&').toSorted().join('&'),
    ...names.split(';').map((name) => `${name}:${(headers[name] ?? '').trim()}`),
    '',
    names,
    headers['x-amz-content-sha256'],
  ].join('\n');
  const scope = `${date}/${signedRegion}/${service}/aws4_request`;
  const key = [date ?? '', signedRegion, service, 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${keys.secretAccessKey}`,
  );
  const expected = hmac(
    Buffer.from(key),
    `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`,
  ).toString('hex');
  if (signature !== expected) return { status: 403, code: 'SignatureDoesNotMatch' };
  if (headers['x-amz-content-sha256'] !== sha256(body))
    return { status: 400, code: 'XAmzContentSHA256Mismatch' };
  return null;
}
