import type { Bytes } from '../base/bytes.ts';

/**
 * `HttpResponse.readInto` of a body.
 * @param done is called with each chunk that was copied.
 */
export async function readInto(
  body: AsyncIterable<Bytes>,
  into: Bytes,
  done: (chunk: Bytes) => void = () => undefined,
): Promise<number | null> {
  let length = 0;
  for await (const chunk of body) {
    // Leaving the loop drops the connection.
    if (length + chunk.byteLength > into.byteLength) return null;
    into.set(chunk, length);
    length += chunk.byteLength;
    done(chunk);
  }
  return length;
}
