/**
 * The daemon's side of an attached session (`api/exec-frames.ts`).
 *
 *     open ──▶ attached ──guest's exit──▶ exit frame
 *                 ├──client's detach──▶ detached frame, the command runs on
 *                 ├──client gone──▶ detached, nobody is told
 *                 ├──connection to the guest lost──▶ joined again, nobody is told
 *                 └──guest or frames fail──▶ error frame
 */
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { raceWith } from '../base/race-with.ts';
import { asError, KelpieError } from '../base/errors.ts';
import { RejoiningSession } from '../guest/rejoining-session.ts';
import { execOpen, signalRequest, terminalSize } from './api/exec.ts';
import { decodeExecFrames, encodeExecFrame } from './api/exec-frames.ts';
import { EXEC_FRAME_BYTES_MAX } from './api/limits.ts';
import { toProblem } from './api/problem.ts';
import { STDIN_QUEUED_BYTES_MAX } from './limits.ts';
import { parse } from './requests.ts';
import type { Bytes } from '../base/bytes.ts';
import type { GuestAgent, GuestSession, SessionEvent } from '../guest/guest-agent.ts';
import type { ExecFrame } from './api/exec-frames.ts';
import type { ExecOpen, ExecOpened } from './api/exec.ts';

/** Opens the session that the first frame asks for; the frames of the answer. @throws KelpieError when it cannot be opened. */
export async function openAttachment(
  agentOf: () => Promise<GuestAgent>,
  body: AsyncIterable<Bytes>,
): Promise<AsyncGenerator<Bytes, void>> {
  const frames = decodeExecFrames(body);
  const open = await readOpen(frames);
  const agent = await agentOf();
  const session =
    'start' in open
      ? await agent.startSession(open.start)
      : await agent.attachSession(open.attach.session, open.attach.offsets);
  const rejoining = new RejoiningSession(session, async (number, offsets) =>
    (await agentOf()).attachSession(number, offsets),
  );
  return run(rejoining, frames);
}

async function readOpen(frames: AsyncIterator<ExecFrame>): Promise<ExecOpen> {
  const first = await frames.next();
  if (first.done === true || first.value.kind !== 'open')
    throw new KelpieError('usage', 'the first frame of a session must open it.');
  return parse(execOpen, parseJson(first.value.payload));
}

async function* run(
  session: GuestSession,
  frames: AsyncGenerator<ExecFrame, void>,
): AsyncGenerator<Bytes, void> {
  const input = new SessionInput(session).pump(frames);
  // Told by the race in `follow`; without this, a failure while output is read would count as unhandled.
  input.catch(() => {});
  try {
    yield jsonFrame('opened', openedOf(session));
    yield* follow(session, input);
  } catch (error) {
    yield errorFrame(error);
  } finally {
    await session.detach();
    // A client that still sends is cut off by the end of the answer; waiting for its next frame would wait for ever.
    void frames.return().catch(() => {});
  }
}

/** Everything until the exit, or until the client detaches. */
async function* follow(session: GuestSession, input: Promise<'detached'>): AsyncGenerator<Bytes, void> {
  const events = session.events[Symbol.asyncIterator]();
  const orDetached = raceWith(input);
  for (let hasExited = false; !hasExited;) {
    const next = await orDetached(events.next());
    if (next === 'detached') {
      yield encodeExecFrame('detached');
      break;
    }
    if (next.done === true) {
      throw new KelpieError('guest_unreachable', 'the guest’s agent ended the session without its exit.');
    }
    yield* eventFrames(next.value);
    hasExited = next.value.kind === 'exit';
  }
}

function openedOf({ session, pid, offsets, stdinOffset }: GuestSession): ExecOpened {
  return { session, pid, offsets, stdinOffset };
}

function* eventFrames(event: SessionEvent): Generator<Bytes, void> {
  if (event.kind === 'exit') {
    yield jsonFrame('exit', event.exit);
  } else if (event.kind === 'end') {
    yield encodeExecFrame('outputEnd', new Uint8Array([event.stream === 'stdout' ? 1 : 2]));
  } else {
    for (let start = 0; start < event.bytes.byteLength; start += EXEC_FRAME_BYTES_MAX) {
      yield encodeExecFrame(event.stream, event.bytes.subarray(start, start + EXEC_FRAME_BYTES_MAX));
    }
  }
}

/** What the client sends. Input waits in a bounded queue, so that a signal passes a command that does not read. */
class SessionInput {
  readonly #session: GuestSession;
  #queuedBytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(session: GuestSession) {
    this.#session = session;
  }

  /** Resolves when the client detaches; a client that only stops sending goes on listening. Rejects when the input fails. */
  async pump(frames: AsyncIterable<ExecFrame>): Promise<'detached'> {
    for await (const frame of frames) {
      if (frame.kind === 'detach') return 'detached';
      await this.#take(frame);
    }
    return new Promise<never>(() => {});
  }

  async #take({ kind, payload }: ExecFrame): Promise<void> {
    switch (kind) {
      case 'stdin':
        return this.#queue(payload.byteLength, () => this.#session.writeStdin(payload));
      case 'stdinEnd':
        return this.#queue(0, () => this.#session.endStdin());
      case 'resize':
        return this.#session.resize(parse(terminalSize, parseJson(payload)));
      case 'signal':
        return this.#session.signal(parse(signalRequest, parseJson(payload)).signal);
      default:
        throw new KelpieError('usage', `a client does not send ${kind} frames here.`);
    }
  }

  async #queue(byteLength: number, write: () => Promise<void>): Promise<void> {
    this.#queuedBytes += byteLength;
    this.#writing = this.#writing.then(write).finally(() => {
      this.#queuedBytes -= byteLength;
    });
    if (this.#queuedBytes > STDIN_QUEUED_BYTES_MAX) return this.#writing;
    // A failed write is told by the next one that waits, or by the session's own end.
    this.#writing.catch(() => {});
  }
}

function jsonFrame(kind: 'opened' | 'exit' | 'error', value: unknown): Bytes {
  return encodeExecFrame(kind, utf8(JSON.stringify(value)));
}

function errorFrame(error: unknown): Bytes {
  return jsonFrame('error', toProblem(error));
}

function parseJson(payload: Bytes): unknown {
  try {
    const value: unknown = JSON.parse(fromUtf8(payload));
    return value;
  } catch (error) {
    throw new KelpieError('usage', 'a frame of the session is not JSON.', { cause: asError(error) });
  }
}
