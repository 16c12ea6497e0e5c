/**
 * An S3 service on a machine of its own, which does not fail by itself: what goes wrong is between it and its clients, and in front of its
 * bucket, as in a balancer that answers for it. It takes no request whose body is not the one that was signed; who signed it is left to the
 * strict service of the tests.
 */
import { concat } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Connection } from '../../env/sockets.ts';
import { SystemError } from '../../env/system-error.ts';
import { FrameReader, FrameWriter, bodyFrames, headFrame, headOf } from '../env/http-frames.ts';
import type { Faults } from '../faults.ts';
import type { Program } from '../machine.ts';
import type { Bucket } from './bucket.ts';
import { meetTrouble } from './troubles.ts';
import type { Outcome } from './troubles.ts';
import { refusal } from './wire.ts';
import type { Answer, ReceivedRequest } from './wire.ts';

export const S3_PORT = 9000;
export const BUCKET_NAME = 'kelpie';

/** Serves for ever. */
export function s3Program(bucket: Bucket): Program {
  return async ({ process, env }) => {
    const { faults, compute } = process.machine;
    const service = new S3Service(bucket, faults, (bytes) => compute.sha256(bytes), process.label);
    const address = { kind: 'tcp', host: '0.0.0.0', port: S3_PORT } as const;
    await env.sockets.listen(address, (connection) => void service.serve(connection));
    return await Promise.withResolvers<number>().promise;
  };
}

class S3Service {
  readonly #bucket: Bucket;
  readonly #faults: Faults;
  readonly #sha256: (bytes: Bytes) => string;
  readonly #label: string;

  constructor(bucket: Bucket, faults: Faults, sha256: (bytes: Bytes) => string, label: string) {
    this.#bucket = bucket;
    this.#faults = faults;
    this.#sha256 = sha256;
    this.#label = label;
  }

  /** One request, and what becomes of it. */
  async serve(connection: Connection): Promise<void> {
    try {
      const request = await receive(connection);
      const outcome = request === null ? null : this.#outcome(request);
      // One that is never answered stays open until its client gives up.
      if (outcome !== 'silence') await answer(connection, outcome);
    } catch (error) {
      // The client is gone: nobody is left to be told.
      if (!(error instanceof SystemError)) throw error;
      connection.close();
    }
  }

  #outcome(request: ReceivedRequest): Outcome {
    const where = `${this.#label} ${request.method}`;
    return meetTrouble(
      (name) => this.#faults.hit(name, where),
      request,
      (received) => this.#answer(received),
    );
  }

  #answer(request: ReceivedRequest): Answer {
    if (request.headers['x-amz-content-sha256'] !== this.#sha256(request.body))
      return refusal(400, 'XAmzContentSHA256Mismatch');
    const { pathname, searchParams } = new URL(request.url, 'http://s3');
    const [bucket = '', ...key] = decodeURIComponent(pathname).slice(1).split('/');
    if (bucket !== BUCKET_NAME) return refusal(404, 'NoSuchBucket');
    return this.#bucket.answer(request, key.join('/'), searchParams);
  }
}

/** Null when the client went away first. */
async function receive(connection: Connection): Promise<ReceivedRequest | null> {
  const frames = new FrameReader(connection);
  const first = await frames.next();
  if (first?.kind !== 'head') return null;
  const parts: Bytes[] = [];
  for (let frame = await frames.next(); frame?.kind !== 'end'; frame = await frames.next()) {
    if (frame === null) return null;
    parts.push(frame.payload);
  }
  const { line, headers } = headOf(first);
  const [method = '', url = ''] = line.split(' ');
  return { method, url, headers, body: concat(parts) };
}

/** @param outcome null: the connection ends without an answer. */
async function answer(connection: Connection, outcome: Exclude<Outcome, 'silence'>): Promise<void> {
  if (outcome !== null) {
    const { status, headers, body, isCut } = outcome;
    const frames = bodyFrames(body);
    const head = headFrame({ line: String(status), headers });
    await new FrameWriter(connection).send(head, ...(isCut ? frames.slice(0, -1) : frames));
  }
  connection.close();
}
