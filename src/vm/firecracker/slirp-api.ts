/** The interface of `slirp4netns`: one connection, one request, one answer, each as JSON. */
import { z } from 'zod';
import { concat, fromUtf8Lossy, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { parseJsonOrNull } from '../../base/json.ts';
import { withoutFullStop } from '../../base/sentence.ts';
import type { Env } from '../../env/env.ts';
import { startTimer } from '../../guest/timer.ts';
import type { Connection } from '../../env/sockets.ts';
import { SLIRP_ANSWER_BYTES_MAX, SLIRP_CALL_TIMEOUT_MS } from './limits.ts';

const answerSchema = z.union([
  z.object({ error: z.object({ desc: z.string() }) }),
  z.object({ return: z.unknown() }),
  z.object({ entries: z.array(z.unknown()) }),
]);

/**
 * @returns what it complains of, without a full stop; null when it has done what was asked for.
 * @throws KelpieError `vm_start_failed` when it does not answer, SystemError when nobody serves the socket.
 */
export async function askSlirp(
  env: Pick<Env, 'sockets' | 'clock'>,
  socketPath: string,
  request: { readonly execute: string; readonly arguments?: object },
): Promise<string | null> {
  const connection = await env.sockets.connect({ kind: 'unix', path: socketPath });
  // Closed, a pending read gives null: silence ends as an answer that is none.
  const cancelTimer = startTimer(env.clock, SLIRP_CALL_TIMEOUT_MS, () => connection.close());
  try {
    await connection.write(utf8(JSON.stringify(request)));
    await connection.end();
    return complaintIn(await readAll(connection));
  } finally {
    cancelTimer();
    connection.close();
  }
}

function complaintIn(answer: string): string | null {
  const { data } = answerSchema.safeParse(parseJsonOrNull(answer));
  if (data === undefined) throw noAnswer(answer === '' ? 'it said nothing' : `it said "${answer}"`);
  return 'error' in data ? withoutFullStop(data.error.desc) : null;
}

async function readAll(connection: Connection): Promise<string> {
  let read: Bytes = new Uint8Array(0);
  for (let bytes = await connection.read(); bytes !== null; bytes = await connection.read()) {
    read = concat([read, bytes]);
    if (read.byteLength > SLIRP_ANSWER_BYTES_MAX) throw noAnswer('its answer has no end');
  }
  return fromUtf8Lossy(read);
}

function noAnswer(why: string): KelpieError {
  return new KelpieError('vm_start_failed', `slirp4netns does not answer as it should: ${why}.`);
}
