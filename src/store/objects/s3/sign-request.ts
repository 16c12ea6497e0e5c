/**
 * AWS Signature Version 4 in the `Authorization` header
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). The digest of the body is signed too, so a service
 * refuses a body that was damaged on the way.
 */
import { hex, utf8 } from '../../../base/bytes.ts';
import type { Bytes } from '../../../base/bytes.ts';
import type { Compute } from '../../../env/compute.ts';
import type { Credentials } from './credentials.ts';
import { basicTime } from './civil-time.ts';
import { hmacSha256 } from './hmac.ts';

export interface Signable {
  readonly method: string;
  /** Escaped already. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case; all are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** In hexadecimal. */
  readonly bodySha256: string;
}

/** Makes the headers and the path of requests to one service. */
export class Signer {
  readonly #compute: Pick<Compute, 'sha256'>;
  readonly #service: string;
  /** The key of a day costs four HMACs and is the same all day. */
  #key: { readonly of: string; readonly bytes: Bytes } | null = null;

  /** @param service that the requests are to: `s3`. */
  constructor(compute: Pick<Compute, 'sha256'>, service = 's3') {
    this.#compute = compute;
    this.#service = service;
  }

  /** @returns the headers to send: those given, and what signs them. */
  sign(request: Signable, credentials: Credentials, region: string, wallMs: number): Record<string, string> {
    const time = basicTime(wallMs);
    const scope = `${time.slice(0, 8)}/${region}/${this.#service}/aws4_request`;
    const headers: Record<string, string> = {
      ...request.headers,
      'x-amz-content-sha256': request.bodySha256,
      'x-amz-date': time,
    };
    if (credentials.sessionToken !== undefined) headers['x-amz-security-token'] = credentials.sessionToken;
    const names = Object.keys(headers).toSorted();
    const canonical = [
      request.method,
      request.path,
      queryText(request.query),
      ...names.map((name) => `${name}:${(headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}`),
      '',
      names.join(';'),
      request.bodySha256,
    ].join('\n');
    const digest = this.#compute.sha256(utf8(canonical));
    const key = this.#signingKey(credentials, time.slice(0, 8), region);
    const signature = hex(
      hmacSha256(this.#compute, key, utf8(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${digest}`)),
    );
    headers['authorization'] =
      `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
    return headers;
  }

  #signingKey({ secretAccessKey }: Credentials, date: string, region: string): Bytes {
    const of = `${date}/${region}/${secretAccessKey}`;
    if (this.#key?.of === of) return this.#key.bytes;
    let bytes: Bytes = utf8(`AWS4${secretAccessKey}`);
    for (const word of [date, region, this.#service, 'aws4_request'])
      bytes = hmacSha256(this.#compute, bytes, utf8(word));
    this.#key = { of, bytes };
    return bytes;
  }
}

/** In the one order and spelling that is signed. */
export function queryText(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]) => `${escapeText(name)}=${escapeText(value)}`)
    .toSorted()
    .join('&');
}

/** A path with each part escaped. */
export function escapePath(path: string): string {
  return path.split('/').map(escapeText).join('/');
}

/** All but the unreserved characters of RFC 3986, which `encodeURIComponent` leaves a few more alone of. */
function escapeText(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
