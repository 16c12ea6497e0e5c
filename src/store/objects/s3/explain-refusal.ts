/** What a service's refusal means for us, and the sentence for a person. */
import type { S3Settings } from './s3-settings.ts';
import { isRegion } from './region.ts';
import { StoreTrouble } from '../store-trouble.ts';
import type { TroubleKind } from '../store-trouble.ts';
import { XmlError, childOf, parseXml, textOf } from './xml.ts';

/** What a service said. Its own sentence is left out: it may repeat what was signed. */
export interface Refusal {
  readonly status: number;
  /** `NoSuchBucket` …; empty when it gave none. */
  readonly code: string;
  /** The region that the bucket is in, when it said so. */
  readonly region: string | null;
  /** Its clock, as it wrote it. */
  readonly date: string;
}

export interface Attempted {
  readonly settings: S3Settings;
  readonly isWrite: boolean;
}

const kindsOfCodes: Readonly<Record<string, TroubleKind>> = {
  NoSuchBucket: 'bucket_missing',
  NoSuchUpload: 'upload_missing',
  InvalidPart: 'upload_missing',
  PermanentRedirect: 'wrong_region',
  TemporaryRedirect: 'wrong_region',
  AuthorizationHeaderMalformed: 'wrong_region',
  IllegalLocationConstraintException: 'wrong_region',
  RequestTimeTooSkewed: 'clock_skew',
  RequestExpired: 'clock_skew',
  ExpiredToken: 'credentials_expired',
  ExpiredTokenException: 'credentials_expired',
  TokenRefreshRequired: 'credentials_expired',
  InvalidAccessKeyId: 'credentials_refused',
  InvalidToken: 'credentials_refused',
  SignatureDoesNotMatch: 'credentials_refused',
  SlowDown: 'throttled',
  Throttling: 'throttled',
  ThrottlingException: 'throttled',
  TooManyRequests: 'throttled',
  RequestLimitExceeded: 'throttled',
  RequestTimeout: 'unavailable',
  BadDigest: 'unavailable',
  XAmzContentSHA256Mismatch: 'unavailable',
  IncompleteBody: 'unavailable',
  OperationAborted: 'contended',
  ConditionalRequestConflict: 'contended',
  QuotaExceeded: 'full',
  NotImplemented: 'unsupported',
};

/** Reads the error document, if it is one. */
export function parseRefusal(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): Refusal {
  const { code, documentRegion } = readDocument(body);
  const region = headers['x-amz-bucket-region'] ?? documentRegion;
  return { status, code, region: isRegion(region) ? region : null, date: headers['date'] ?? '' };
}

function readDocument(body: string): { readonly code: string; readonly documentRegion: string } {
  try {
    const root = parseXml(body);
    const error = root.name === 'Error' ? root : childOf(root, 'Error');
    const code = error === undefined ? '' : textOf(error, 'Code').slice(0, 64);
    // Anything else is no code, and may be anything.
    return /^\w+$/.test(code)
      ? { code, documentRegion: textOf(root, 'Region') }
      : { code: '', documentRegion: '' };
  } catch (error) {
    // A proxy's page, or nothing: the status must do.
    if (error instanceof XmlError) return { code: '', documentRegion: '' };
    throw error;
  }
}

export function explainRefusal(refusal: Refusal, attempted: Attempted): StoreTrouble {
  const kind = kindOf(refusal, attempted.isWrite);
  const { status, code } = refusal;
  return new StoreTrouble(kind, sentenceOf(kind, refusal, attempted.settings), {
    data: { storeUrl: attempted.settings.url, httpStatus: status, serviceCode: code },
    isOutcomeUnknown: attempted.isWrite && (status >= 500 || status < 300 || kind === 'contended'),
  });
}

function kindOf({ status, code }: Refusal, isWrite: boolean): TroubleKind {
  const known = kindsOfCodes[code];
  if (known !== undefined) return known;
  if (status === 429) return 'throttled';
  if (status === 408) return 'unavailable';
  if (status === 409) return 'contended';
  if (status === 301 || status === 307) return 'wrong_region';
  if (status === 401) return 'credentials_refused';
  if (status === 403 || status === 405) return isWrite ? 'write_denied' : 'read_denied';
  if (status === 501) return 'unsupported';
  if (status >= 500) return 'unavailable';
  // An error inside an answer that began as a success (the completion of an upload may).
  return status < 300 ? 'unavailable' : 'refused';
}

function sentenceOf(kind: TroubleKind, refusal: Refusal, settings: S3Settings): string {
  const { url, bucket } = settings;
  const said = refusal.code === '' ? `status ${refusal.status}` : refusal.code;
  switch (kind) {
    case 'bucket_missing':
      return `there is no bucket "${bucket}" at the service of ${url}: make it, or correct the store's name.`;
    case 'wrong_region':
      return refusal.region === null
        ? `the bucket of ${url} is not in the region "${settings.region}": add ?region= to the URL of the store.`
        : `the bucket of ${url} is in the region "${refusal.region}": add ?region=${refusal.region} to the URL of the store.`;
    case 'clock_skew':
      return `the clocks of this host and of ${url} differ too much${refusal.date === '' ? '' : ` (there it is ${refusal.date})`}: set this host's clock.`;
    case 'credentials_expired':
      return `the keys for ${url} have expired: sign in again, or renew them in the profile (or in the variables, then kelpie daemon restart), and try again.`;
    case 'credentials_refused':
      return `${url} does not accept the keys (${said}): check the profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, then kelpie daemon restart.`;
    case 'read_denied':
      return `the keys may not read ${url} (${said}): allow s3:GetObject and s3:ListBucket.`;
    case 'write_denied':
      return `the keys may not write to ${url} (${said}): allow s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload.`;
    case 'full':
      return `${url} is full (${said}): free some space, or use another store.`;
    case 'throttled':
      return `${url} asks for fewer requests (${said}): try again later.`;
    case 'unsupported':
      return `the service of ${url} cannot do what is needed (${said}): run a check of the store.`;
    default:
      return `${url} failed to answer a request (${said}): try again later.`;
  }
}
