/** What a store's URL and the person's settings for AWS say about where and how. The grammar is in docs/STORES.md. */
import { z } from 'zod';
import { KelpieError } from '../../../base/errors.ts';
import type { Env } from '../../../env/env.ts';
import { KEY_BYTES_MAX } from '../limits.ts';
import { readAwsProfile } from './aws-profile.ts';
import { endpointOf, serviceUrl } from './endpoint.ts';
import type { Endpoint } from './endpoint.ts';
import { REGION_DEFAULT, isRegion, wantedRegion } from './region.ts';

export type Encryption =
  | { readonly kind: 'service' }
  | { readonly kind: 'AES256' }
  | { readonly kind: 'aws:kms'; readonly keyId: string | null };

export interface S3Settings {
  /** `s3://bucket/prefix`, for people. */
  readonly url: string;
  readonly bucket: string;
  /** Before every key: empty, or with a slash at its end. */
  readonly prefix: string;
  readonly region: string;
  /** Null: that of AWS for the region. */
  readonly endpoint: Endpoint | null;
  /** The bucket is the first part of the path; else of the host name. */
  readonly isPathStyle: boolean;
  readonly encryption: Encryption;
  /** Sends `x-amz-checksum-sha256`, which the service keeps and gives back. */
  readonly hasChecksums: boolean;
  /** `If-Match: "etag"`, as RFC 9110 writes it; Ceph wants it bare, AWS takes both. */
  readonly hasQuotedEtags: boolean;
}

const urlPattern =
  /^s3:\/\/(?<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(?<prefix>[^?#]*))?(?:\?(?<query>[^#]*))?$/;
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');
const querySchema = z.strictObject({
  region: z.string().refine(isRegion).optional(),
  endpoint: z.string().optional(),
  'path-style': flag.optional(),
  encryption: z.enum(['AES256', 'aws:kms']).optional(),
  'kms-key': z
    .string()
    .regex(/^[\w:/-]{1,2048}$/)
    .optional(),
  checksums: flag.default(true),
  'quoted-etags': flag.default(false),
});

/** @throws KelpieError `invalid_argument`, `io_failed`. */
export async function readS3Settings(env: Pick<Env, 'files' | 'host'>, url: string): Promise<S3Settings> {
  const { bucket = '', prefix = '', query = '' } = urlPattern.exec(url)?.groups ?? {};
  // The URL is not repeated: what is wrong with it may be keys that somebody wrote into it.
  if (bucket === '')
    throw invalid('the URL of the store is not s3://bucket/prefix; keys are never written into it.');
  const parsed = querySchema.safeParse(Object.fromEntries(new URLSearchParams(query)));
  if (!parsed.success) {
    const names = [
      ...new Set(parsed.error.issues.map(({ path }) => String(path[0] ?? 'an unknown name'))),
    ].join(', ');
    throw invalid(`the URL of the store s3://${bucket} says what is not understood after its "?": ${names}.`);
  }
  const options = parsed.data;
  const profile = await readAwsProfile(env);
  const { host } = env;
  const endpointUrl =
    options.endpoint ??
    host.variable('AWS_ENDPOINT_URL_S3') ??
    host.variable('AWS_ENDPOINT_URL') ??
    profile.get('endpoint_url');
  const region = options.region ?? wantedRegion(host, profile);
  if (region !== undefined && !isRegion(region)) throw invalid('the region of the store is not one.');
  const endpoint = endpointUrl === undefined || endpointUrl === '' ? null : parseEndpoint(endpointUrl);
  const shownPrefix = parsePrefix(prefix);
  return {
    url: `s3://${bucket}${shownPrefix === '' ? '' : `/${shownPrefix}`}`,
    bucket,
    prefix: shownPrefix === '' ? '' : `${shownPrefix}/`,
    region: region ?? REGION_DEFAULT,
    endpoint,
    // A name with dots does not fit the certificate of `*.s3…`; services of one's own rarely have a name per bucket.
    isPathStyle: options['path-style'] ?? (endpoint !== null || bucket.includes('.')),
    encryption: encryptionOf(options.encryption, options['kms-key']),
    hasChecksums: options.checksums,
    hasQuotedEtags: options['quoted-etags'],
  };
}

function encryptionOf(kind: 'AES256' | 'aws:kms' | undefined, keyId: string | undefined): Encryption {
  if (kind !== 'aws:kms' && keyId !== undefined) throw invalid('kms-key goes with encryption=aws:kms only.');
  if (kind === 'aws:kms') return { kind, keyId: keyId ?? null };
  return { kind: kind ?? 'service' };
}

function parsePrefix(text: string): string {
  const prefix = text.replace(/\/+$/, '');
  const isSane = prefix.split('/').every((part) => /^[\w.=@+-]+$/.test(part) && !/^\.+$/.test(part));
  if (prefix === '' || (isSane && prefix.length <= KEY_BYTES_MAX)) return prefix;
  throw invalid(
    'the prefix in the URL of the store has other characters than letters, digits and /._=@+-, or is too long.',
  );
}

function parseEndpoint(text: string): Endpoint {
  const url = serviceUrl(text);
  if (url !== null && url.pathname === '/' && url.search === '') return endpointOf(url);
  throw invalid('the endpoint of the store is not https://host:port, without a name, a password or a path.');
}

function invalid(sentence: string): KelpieError {
  return new KelpieError('invalid_argument', sentence);
}
