/** A request as it came over the wire, whole. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path and query, escaped as they came. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

export function xmlAnswer(
  text: string,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n${text}`;
  return { status, headers: { ...headers, 'content-type': 'application/xml' }, body };
}

export function refusal(status: number, code: string, more = ''): Answer {
  return xmlAnswer(
    `<Error><Code>${code}</Code><Message>as the test wants it</Message>${more}</Error>`,
    status,
  );
}
