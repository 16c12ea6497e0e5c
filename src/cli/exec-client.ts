/**
 * The client's side of an attached session.
 *
 *     opening ──opened──▶ attached ──exit──▶ ended
 *                            │ ├──detach (Ctrl-P Ctrl-Q, or the third Ctrl-C)──▶ detached
 *                            │ └──error──▶ failed
 *
 * Frames to the daemon wait in a queue of at most `FRAMES_QUEUED_MAX`; input is read only while there is room.
 */
import { KelpieError } from '../base/errors.ts';
import { concat, fromUtf8, fromUtf8Lossy, utf8 } from '../base/bytes.ts';
import { encodeExecFrame, readSessionExit } from '../daemon/api/exec-frames.ts';
import { EXEC_FRAME_BYTES_MAX } from '../daemon/api/limits.ts';
import { fromProblem, readProblem } from '../daemon/api/problem.ts';
import { FrameQueue } from './frame-queue.ts';
import { splitAtDetachKeys } from './detach-keys.ts';
import type { Bytes } from '../base/bytes.ts';
import type { KeyPart } from './detach-keys.ts';
import type { ExecFrame } from '../daemon/api/exec-frames.ts';
import type { ExecOpen } from '../daemon/api/exec.ts';
import type { SessionExit } from '../guest/guest-agent.ts';
import type { Cli } from './cli.ts';

const FRAMES_QUEUED_MAX = 16;
/** So many Ctrl-C without the command ending let go of it. */
const INTERRUPTS_MAX = 3;
const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

export type ExecOutcome =
  { readonly kind: 'exit'; readonly exit: SessionExit } | { readonly kind: 'detached' };

export interface AttachOptions {
  readonly vm: string;
  readonly open: ExecOpen;
  readonly hasInput: boolean;
  readonly isTty: boolean;
}

/** Runs or joins a command until it ends or is let go. */
export async function runAttached(cli: Cli, options: AttachOptions): Promise<ExecOutcome> {
  const queue = new FrameQueue(FRAMES_QUEUED_MAX);
  const { terminal } = cli;
  await queue.push(encodeExecFrame('open', utf8(JSON.stringify(options.open))));
  const ending = new AbortController();
  const cleanUps: (() => void)[] = [];
  try {
    cleanUps.push(forwardInterrupts(cli, queue));
    const daemon = await cli.daemon();
    const frames = await daemon.attach(options.vm, queue);
    if (options.isTty) {
      terminal.setRawInput(true);
      cleanUps.push(() => {
        terminal.setRawInput(false);
      });
      cleanUps.push(forwardSize(cli, queue));
    }
    if (options.hasInput) void forwardInput(cli, queue, options.isTty, ending.signal);
    return await followOutput(frames, {
      stdout: async (bytes) => terminal.writeOutput(bytes),
      stderr: async (bytes) => terminal.writeError(bytes),
    });
  } finally {
    queue.end();
    for (const cleanUp of cleanUps) cleanUp();
    ending.abort();
  }
}

function forwardInterrupts(cli: Cli, queue: FrameQueue): () => void {
  let count = 0;
  return cli.terminal.onInterrupt((signal) => {
    count += 1;
    if (count >= INTERRUPTS_MAX) queue.pushNow(encodeExecFrame('detach'));
    else queue.pushNow(encodeExecFrame('signal', utf8(JSON.stringify({ signal: signalNumbers[signal] }))));
  });
}

function forwardSize(cli: Cli, queue: FrameQueue): () => void {
  return cli.terminal.onResize(() => {
    const size = cli.terminal.size();
    if (size !== null) queue.pushNow(encodeExecFrame('resize', utf8(JSON.stringify(size))));
  });
}

async function forwardInput(cli: Cli, queue: FrameQueue, isTty: boolean, signal: AbortSignal): Promise<void> {
  let isPrefixHeld = false;
  for await (const chunk of cli.terminal.readInput(signal)) {
    const part: KeyPart = isTty
      ? splitAtDetachKeys(chunk, isPrefixHeld)
      : { bytes: chunk, isDetach: false, isPrefixHeld: false };
    isPrefixHeld = part.isPrefixHeld;
    for (let start = 0; start < part.bytes.byteLength; start += EXEC_FRAME_BYTES_MAX) {
      if (
        !(await queue.push(
          encodeExecFrame('stdin', part.bytes.subarray(start, start + EXEC_FRAME_BYTES_MAX)),
        ))
      )
        return;
    }
    if (part.isDetach) {
      await queue.push(encodeExecFrame('detach'));
      return;
    }
  }
  await queue.push(encodeExecFrame('stdinEnd'));
}

interface OutputSink {
  readonly stdout: (bytes: Bytes) => Promise<void>;
  readonly stderr: (bytes: Bytes) => Promise<void>;
}

async function followOutput(frames: AsyncIterable<ExecFrame>, sink: OutputSink): Promise<ExecOutcome> {
  for await (const frame of frames) {
    switch (frame.kind) {
      case 'stdout':
        await sink.stdout(frame.payload);
        break;
      case 'stderr':
        await sink.stderr(frame.payload);
        break;
      case 'exit':
        return { kind: 'exit', exit: understood(readSessionExit(parse(frame.payload))) };
      case 'detached':
        return { kind: 'detached' };
      case 'error':
        throw fromProblem(understood(readProblem(parse(frame.payload))));
      default:
        break;
    }
  }
  throw new KelpieError(
    'daemon_unavailable',
    'the daemon ended while the command ran; the command goes on: see `kelpie sessions`.',
  );
}

/** What a command that we run for our own purposes left: its status, and the last of what it said on stderr. */
export interface PipedOutcome {
  readonly exit: SessionExit;
  readonly stderr: string;
}

const STDERR_KEPT_BYTES = 4096;

/** Runs a command of ours in the VM between two streams, away from the terminal. */
export async function runPiped(
  cli: Cli,
  vm: string,
  argv: readonly string[],
  input: AsyncIterable<Bytes> | null,
  onOutput: (bytes: Bytes) => Promise<void>,
): Promise<PipedOutcome> {
  const queue = new FrameQueue(FRAMES_QUEUED_MAX);
  await queue.push(encodeExecFrame('open', utf8(JSON.stringify({ start: { argv, stdin: input !== null } }))));
  let stderr: Bytes = new Uint8Array(0);
  try {
    const daemon = await cli.daemon();
    const frames = await daemon.attach(vm, queue);
    const sending = input === null ? Promise.resolve() : pour(input, queue);
    const outcome = await followOutput(frames, {
      stdout: onOutput,
      stderr: async (bytes) => {
        stderr = concat([stderr, bytes]).slice(-STDERR_KEPT_BYTES);
        return Promise.resolve();
      },
    });
    if (outcome.kind === 'detached')
      throw new KelpieError('guest_failed', 'the command in the VM was let go.');
    queue.end();
    await sending;
    return { exit: outcome.exit, stderr: fromUtf8Lossy(stderr) };
  } finally {
    queue.end();
  }
}

async function pour(input: AsyncIterable<Bytes>, queue: FrameQueue): Promise<void> {
  for await (const chunk of input) {
    for (let start = 0; start < chunk.byteLength; start += EXEC_FRAME_BYTES_MAX) {
      if (!(await queue.push(encodeExecFrame('stdin', chunk.subarray(start, start + EXEC_FRAME_BYTES_MAX)))))
        return;
    }
  }
  await queue.push(encodeExecFrame('stdinEnd'));
}

function parse(payload: Bytes): unknown {
  return JSON.parse(fromUtf8(payload));
}

/** @throws KelpieError `daemon_version_mismatch` for what could not be read. */
function understood<T>(read: T | null): T {
  if (read !== null) return read;
  throw new KelpieError(
    'daemon_version_mismatch',
    'the daemon ended the session in a form that this version does not know: `kelpie daemon restart`.',
  );
}
