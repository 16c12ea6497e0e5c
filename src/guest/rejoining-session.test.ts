import assert from 'node:assert/strict';
import test from 'node:test';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { isKelpieError, KelpieError } from '../base/errors.ts';
import type { GuestSession, SessionEvent } from './guest-agent.ts';
import { RejoiningSession } from './rejoining-session.ts';
import type { Rejoin } from './rejoining-session.ts';

const loss = new KelpieError('guest_unreachable', 'its stream has ended.');

function output(offset: number, text: string): SessionEvent {
  return { kind: 'output', stream: 'stdout', offset, bytes: utf8(text) };
}

const exit: SessionEvent = { kind: 'exit', exit: { code: 0, timedOut: false } };

/** One attachment: its events, after which its connection is lost unless the command has ended. */
class Attachment implements GuestSession {
  readonly session = 7;
  readonly pid = 42;
  readonly offsets: GuestSession['offsets'];
  readonly stdinOffset: number;
  readonly taken: string[] = [];
  isLost = false;
  readonly #events: readonly SessionEvent[];

  constructor(events: readonly SessionEvent[], stdout = 0, stdinOffset = 0) {
    this.#events = events;
    this.offsets = { stdout, stderr: 0 };
    this.stdinOffset = stdinOffset;
  }

  get events(): AsyncIterable<SessionEvent> {
    return this.#run();
  }

  async writeStdin(bytes: Bytes): Promise<void> {
    this.#take(fromUtf8(bytes));
  }

  async endStdin(): Promise<void> {
    this.#take('<end>');
  }

  async signal(signal: number): Promise<void> {
    this.#take(`<signal ${signal}>`);
  }

  async resize(): Promise<void> {
    this.#take('<resize>');
  }

  async detach(): Promise<void> {
    this.taken.push('<detach>');
  }

  #take(what: string): void {
    if (this.isLost) throw loss;
    this.taken.push(what);
  }

  async *#run(): AsyncGenerator<SessionEvent> {
    await Promise.resolve();
    yield* this.#events;
    if (this.#events.at(-1)?.kind === 'exit') return;
    this.isLost = true;
    throw loss;
  }
}

async function told(session: GuestSession): Promise<string> {
  let text = '';
  for await (const event of session.events) {
    if (event.kind === 'output') text += fromUtf8(event.bytes);
    else text += event.kind === 'end' ? `<end of ${event.stream}>` : '<exit>';
  }
  return text;
}

test('output goes on where it was read, and an end is told once', async () => {
  const end: SessionEvent = { kind: 'end', stream: 'stderr', offset: 0 };
  const asked: unknown[] = [];
  const session = new RejoiningSession(
    new Attachment([output(0, 'hello '), end]),
    async (number, offsets) => {
      asked.push([number, offsets]);
      return new Attachment([end, output(6, 'world'), exit], 6);
    },
  );
  assert.equal(await told(session), 'hello <end of stderr>world<exit>');
  assert.deepEqual(asked, [[7, { stdout: 6, stderr: 0 }]]);
});

test('input that the guest has not taken is sent again, in its order, once', async () => {
  const first = new Attachment([]);
  const second = new Attachment([exit], 0, 4);
  let joins = 0;
  const session = new RejoiningSession(first, async () => {
    joins += 1;
    return second;
  });
  await session.writeStdin(utf8('0123'));
  await session.writeStdin(utf8('4567'));
  first.isLost = true;
  await Promise.all([session.writeStdin(utf8('89')), session.writeStdin(utf8('ab')), session.endStdin()]);
  assert.equal(second.taken.join(''), '456789ab<end>');
  assert.equal(joins, 1, 'all that fail join again together');
  await session.signal(2);
  assert.equal(second.taken.at(-1), '<signal 2>');
});

test('a signal and a size reach the attachment that is there', async () => {
  const first = new Attachment([]);
  const second = new Attachment([exit]);
  const session = new RejoiningSession(first, async () => second);
  first.isLost = true;
  await session.signal(15);
  await session.resize({ rows: 1, columns: 1 });
  assert.deepEqual(second.taken, ['<signal 15>', '<resize>']);
});

test('what cannot be joined is the loss that it was', async () => {
  const refused: Rejoin = () => Promise.reject(new KelpieError('invalid_state', 'it is stopped.'));
  const gap: Rejoin = async () => new Attachment([exit], 99);
  const forgetful: Rejoin = async () => new Attachment([exit], 0, 1000);
  for (const rejoin of [refused, gap, forgetful]) {
    await assert.rejects(told(new RejoiningSession(new Attachment([]), rejoin)), (error) =>
      isKelpieError(error, 'guest_unreachable'),
    );
  }
});

test('other failures are told as they are', async () => {
  const broken = new KelpieError('guest_protocol_error', 'a frame is too long.');
  const first = new Attachment([]);
  first.writeStdin = () => Promise.reject(broken);
  const session = new RejoiningSession(first, () => Promise.reject(new Error('not asked for')));
  await assert.rejects(session.writeStdin(utf8('x')), broken);
});
