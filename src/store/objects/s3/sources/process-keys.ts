/** Keys from a program that the profile names (`credential_process`). https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html */
import { z } from 'zod';
import { collectBytes, fromUtf8Lossy } from '../../../../base/bytes.ts';
import type { Bytes } from '../../../../base/bytes.ts';
import { MINUTE_MS } from '../../../../base/units.ts';
import type { Child } from '../../../../env/processes.ts';
import { SystemError } from '../../../../env/system-error.ts';
import { ERROR_BYTES_MAX } from '../../limits.ts';
import { TooSlow, withDeadline } from '../deadline.ts';
import type { Credentials } from '../credentials.ts';
import type { SourceEnv } from './ask.ts';
import { noKeys, parseJson, parseKeys } from './temporary-keys.ts';

/** A person may have to touch a key. */
const PROCESS_MS_MAX: number = MINUTE_MS;
const what = 'the profile’s credential_process';
const versionSchema = z.object({ Version: z.literal(1) });

/** @param line as in the profile; no shell sees it. @throws StoreTrouble `no_credentials`. What it prints is told to nobody: there are keys in it. */
export async function processKeys(env: SourceEnv, line: string): Promise<Credentials> {
  const [command, ...args] = splitWords(line);
  if (command === undefined) throw noKeys(`${what} is empty`);
  let child: Child;
  try {
    child = await env.processes.spawn({ command, args, output: 'capture' });
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw noKeys(`${what} cannot be started (${error.errno})`, error);
  }
  const text = await outputOf(env, child);
  const value = parseJson(text, what);
  if (!versionSchema.safeParse(value).success) throw noKeys(`${what} answers in another version than 1`);
  return parseKeys(value, what);
}

async function outputOf(env: SourceEnv, child: Child): Promise<string> {
  try {
    return await withDeadline(env.clock, PROCESS_MS_MAX, undefined, async (signal) => {
      const ended = Promise.withResolvers<never>();
      signal.addEventListener('abort', () => ended.reject(signal.reason), { once: true });
      const printed = collectBytes(child.stdout, ERROR_BYTES_MAX, () => noKeys(`${what} prints too much`));
      const done = Promise.all([printed, drain(child.stderr), child.wait()]);
      const [bytes, , status] = await Promise.race([done, ended.promise]);
      if ('code' in status && status.code === 0) return fromUtf8Lossy(bytes);
      throw noKeys(`${what} failed (${'code' in status ? `status ${status.code}` : status.signal})`);
    });
  } catch (error) {
    child.kill('SIGKILL');
    if (error instanceof TooSlow) throw noKeys(`${what} does not end`, error);
    throw error;
  }
}

/** Read, so that a program that says much does not wait for us. */
async function drain(chunks: AsyncIterable<Bytes>): Promise<void> {
  for await (const part of chunks) void part;
}

/** Words between spaces; quotes keep spaces, as the SDKs take it. @throws StoreTrouble `no_credentials` for a quote without its other. */
function splitWords(line: string): readonly string[] {
  const words: string[] = [];
  const pattern = /\s*((?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])+)\s*/y;
  const rest = line.trim();
  while (pattern.lastIndex < rest.length) {
    const word = pattern.exec(rest)?.[1];
    if (word === undefined) throw noKeys(`${what} has a quote without its other`);
    words.push(
      word.replaceAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g, (_, double, single, escaped) =>
        typeof double === 'string' ? double.replaceAll(/\\(["\\])/g, '$1') : String(single ?? escaped),
      ),
    );
  }
  return words;
}
