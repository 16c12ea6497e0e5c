/** Running commands to their end in a guest, and bytes to send through it, for suites over a real agent. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { concat, fromUtf8 } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type {
  ExecRequest,
  GuestAgent,
  GuestSession,
  SessionEvent,
  SessionExit,
} from '../../src/guest/guest-agent.ts';

export interface Outcome {
  readonly stdout: Bytes;
  readonly stderr: Bytes;
  readonly exit: SessionExit;
}

/** Reads a session to its exit; checks that the streams come without gaps and end once. */
export async function outcomeOf(session: GuestSession): Promise<Outcome> {
  const parts: Record<'stdout' | 'stderr', Bytes[]> = { stdout: [], stderr: [] };
  const next = { ...session.offsets };
  const ended: string[] = [];
  for await (const event of session.events) {
    if (event.kind === 'exit') {
      assert.deepEqual(ended.toSorted(), ['stderr', 'stdout']);
      return { stdout: concat(parts.stdout), stderr: concat(parts.stderr), exit: event.exit };
    }
    assert.equal(event.offset, next[event.stream]);
    if (event.kind === 'end') {
      ended.push(event.stream);
      continue;
    }
    next[event.stream] += event.bytes.byteLength;
    parts[event.stream].push(event.bytes);
  }
  return assert.fail('the events ended without an exit');
}

/** Output of a session so far, until it matches. There must be none but on stdout. */
export async function textUntil(events: AsyncIterator<SessionEvent>, wanted: RegExp): Promise<string> {
  let text = '';
  while (!wanted.test(text)) {
    const next = await events.next();
    if (next.done === true || next.value.kind === 'exit') assert.fail(`no more output after ${text}`);
    if (next.value.kind === 'end') continue;
    assert.equal(next.value.stream, 'stdout');
    text += fromUtf8(next.value.bytes);
  }
  return text;
}

export async function execute(agent: GuestAgent, request: ExecRequest, stdin?: Bytes): Promise<Outcome> {
  const session = await agent.startSession({ ...request, stdin: stdin !== undefined });
  const outcome = outcomeOf(session);
  if (stdin !== undefined) {
    await session.writeStdin(stdin);
    await session.endStdin();
  }
  return outcome;
}

export function shell(script: string): ExecRequest {
  return { argv: ['/bin/sh', '-c', script] };
}

/** Resolves when the command has ended, unattended. */
export async function untilEnded(agent: GuestAgent, session: number): Promise<void> {
  for (;;) {
    const found = (await agent.listSessions()).find((info) => info.session === session);
    assert.ok(found);
    if (!found.running) return;
    await delay(10);
  }
}

/** Bytes that no two places share, so that a lost or a doubled piece shows. */
export function pattern(length: number): Bytes {
  const words = new Uint32Array(Math.ceil(length / 4)).map((_, index) => Math.imul(index, 0x9e3779b1));
  return new Uint8Array(words.buffer, 0, length);
}

export async function* pieces(bytes: Bytes, size: number): AsyncGenerator<Bytes> {
  for (let offset = 0; offset < bytes.byteLength; offset += size) yield bytes.subarray(offset, offset + size);
}

export function sha256(bytes: Bytes): string {
  return createHash('sha256').update(bytes).digest('hex');
}
