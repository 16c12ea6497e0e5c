/** What happens to requests on their way to a service and back, beside what the network does. */
import type { Bytes } from '../../base/bytes.ts';
import { utf8 } from '../../base/bytes.ts';
import type { FaultName } from '../fault-names.ts';
import type { Strike } from '../faults.ts';
import type { Prng } from '../prng.ts';
import { noBody, refusal } from './wire.ts';
import type { Answer, ReceivedRequest } from './wire.ts';

/** An answer as it is sent: `null` when the connection ends without one, `silence` when nothing is ever said. */
export type Outcome = SentAnswer | 'silence' | null;

export interface SentAnswer extends Answer {
  /** The connection ends in the middle of the body. */
  readonly isCut: boolean;
}

/** The fault happens to this request, or null. */
type Hit = (name: FaultName) => Strike | null;
type Act = (request: ReceivedRequest) => Answer;

/** @param act what the service does; it is done at most once. */
export function meetTrouble(hit: Hit, sent: ReceivedRequest, act: Act): Outcome {
  const request = damagedRequest(hit, sent);
  const limited = hit('http_rate_limited');
  if (limited !== null) return whole(request, limited.random.pick(refusals.limited));
  const failed = hit('http_server_error');
  if (failed !== null) {
    if (failed.random.chance(0.5)) act(request);
    return whole(request, failed.random.pick(refusals.failed));
  }
  const silent = hit('http_timeout');
  if (silent !== null) {
    if (silent.random.chance(0.5)) act(request);
    return 'silence';
  }
  const answer = damagedAnswer(hit, request, act(request));
  const lost = hit('http_ack_lost');
  if (lost === null) return whole(request, answer);
  return lost.random.chance(0.5) ? null : cut(request, answer, lost.random);
}

const refusals: Readonly<Record<'limited' | 'failed', readonly Answer[]>> = {
  limited: [refusal(503, 'SlowDown'), refusal(429, 'TooManyRequests')],
  failed: [
    refusal(500, 'InternalError'),
    refusal(503, 'ServiceUnavailable'),
    // Of a balancer, which knows nothing of S3.
    { status: 502, headers: { 'content-type': 'text/html' }, body: utf8('<html>Bad Gateway</html>') },
  ],
};

/** Bytes of objects: what else is said has no digest, but for TLS, which ends the connection. */
function damagedRequest(hit: Hit, request: ReceivedRequest): ReceivedRequest {
  if (request.body.byteLength === 0) return request;
  const strike = hit('network_corruption');
  return strike === null ? request : { ...request, body: withBitChanged(request.body, strike.random) };
}

function damagedAnswer(hit: Hit, { method, url }: ReceivedRequest, answer: Answer): Answer {
  const isObject = method === 'GET' && answer.status < 300 && !url.includes('?');
  if (!isObject || answer.body.byteLength === 0) return answer;
  const strike = hit('network_corruption');
  return strike === null ? answer : { ...answer, body: withBitChanged(answer.body, strike.random) };
}

function withBitChanged(bytes: Bytes, random: Prng): Bytes {
  const changed = bytes.slice();
  const at = random.below(changed.byteLength);
  changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
  return changed;
}

function whole({ method }: ReceivedRequest, { status, headers, body }: Answer): SentAnswer {
  const told = { ...headers, 'content-length': String(body.byteLength) };
  return { status, headers: told, body: method === 'HEAD' ? noBody : body, isCut: false };
}

/** The answer breaks off in its body; null where there is none to break off in. */
function cut(request: ReceivedRequest, answer: Answer, random: Prng): SentAnswer | null {
  const sent = whole(request, answer);
  const length = sent.body.byteLength;
  return length === 0 ? null : { ...sent, body: sent.body.subarray(0, random.below(length)), isCut: true };
}
