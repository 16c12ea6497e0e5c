/** The least that asks Firecracker something: one request, one answer, each bounded. */
import { request } from 'node:http';

export interface Answer {
  readonly status: number;
  /** What the body says; null when there is none. */
  readonly json: unknown;
}

/** Snapshots of a large machine on a slow disk take their time; everything else is quick. */
const ANSWER_TIMEOUT_MS = 120_000;

/** @throws Error when no answer comes, or one that is not HTTP and JSON. */
export async function ask(
  socketPath: string,
  method: 'GET' | 'PUT' | 'PATCH',
  path: string,
  body?: unknown,
): Promise<Answer> {
  const content = body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers =
    content === null
      ? {}
      : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(content) };
  const asked = request({ socketPath, method, path, headers, timeout: ANSWER_TIMEOUT_MS, agent: false });
  asked.on('timeout', () => asked.destroy(new Error(`no answer to ${method} ${path}`)));
  asked.on('error', reject);
  asked.on('response', (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      try {
        resolve({ status: response.statusCode ?? 0, json: text === '' ? null : JSON.parse(text) });
      } catch (error) {
        reject(new Error(`the answer to ${method} ${path} is not JSON: ${text}`, { cause: error }));
      }
    });
  });
  asked.end(content ?? undefined);
  return await promise;
}
