/** What goes over the wire to an S3 service and back, for the simulated one and for the strict one of the tests. */
import { utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';

/** A request as it came, whole. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path and query, escaped as they came. */
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Bytes;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** What an answer to HEAD is about, which is not sent. */
  readonly body: Bytes;
}

export const noBody: Bytes = new Uint8Array(0);

export function xmlAnswer(text: string, status = 200): Answer {
  const body = utf8(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`);
  return { status, headers: { 'content-type': 'application/xml' }, body };
}

export function refusal(status: number, code: string, more = ''): Answer {
  return xmlAnswer(`<Error><Code>${code}</Code><Message>refused</Message>${more}</Error>`, status);
}
