/** A real S3 service (Ceph's gateway) for as long as a suite runs. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { createNodeEnv } from '../../src/env/node/env.ts';
import { CredentialSource } from '../../src/store/objects/s3/credentials.ts';
import { S3Client } from '../../src/store/objects/s3/s3-client.ts';
import { readS3Settings } from '../../src/store/objects/s3/s3-settings.ts';
import { testKeys } from './strict-s3/strict-s3.ts';
import type { S3Server } from './strict-s3/s3-server.ts';

const START_TIMEOUT_MS = 120_000;
const BUCKET = 'kelpie';
const script = resolve(import.meta.dirname, '../../scripts/s3-server.sh');

/**
 * Takes 10 to 15 s. It ends by `close`, or with this process.
 * @param address of this machine, where it serves.
 */
export async function startCeph(address = '127.0.0.1'): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-ceph-'));
  const child = spawn(script, [join(directory, 'state'), address], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = new Promise<void>((done) => child.once('close', () => done()));
  const close = async (): Promise<void> => {
    child.stdin.end();
    await exited;
    await rm(directory, { recursive: true });
  };
  const endpoint = await firstLine(child.stdout);
  if (endpoint === null) {
    await close();
    throw new Error('the S3 service did not start: its last words are above');
  }
  const server = { url: `s3://${BUCKET}`, endpoint, close };
  try {
    await makeBucket(server);
  } catch (error) {
    await close();
    throw error;
  }
  return server;
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string | null> {
  const lines = createInterface({ input: stream });
  const timeout = AbortSignal.timeout(START_TIMEOUT_MS);
  return await new Promise((done) => {
    lines.once('line', done);
    lines.once('close', () => done(null));
    timeout.addEventListener('abort', () => done(null));
  });
}

async function makeBucket({ url, endpoint }: S3Server): Promise<void> {
  const env = createNodeEnv({ variables: { ...process.env, ...testKeys } });
  const settings = await readS3Settings(env, `${url}?endpoint=${endpoint}`);
  const client = new S3Client(env, settings, new CredentialSource(env));
  await client.send({ method: 'PUT', key: '', isWrite: true, answerBytesMax: 1000, signal: undefined });
}
