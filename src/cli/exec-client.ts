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
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { encodeExecFrame } from '../daemon/api/exec-frames.ts';
import { EXEC_FRAME_BYTES_MAX } from '../daemon/api/limits.ts';
import { fromProblem, problem } from '../daemon/api/problem.ts';
import { sessionExit } from '../daemon/api/exec.ts';
import { FrameQueue } from './frame-queue.ts';
import { splitAtDetachKeys } from './detach-keys.ts';
import type { Bytes } from '../base/bytes.ts';
import type { ExecFrame } from '../daemon/api/exec-frames.ts';
import type { ExecOpen } from '../daemon/api/exec.ts';
import type { SessionExit } from '../guest/guest-agent.ts';
import type { Cli } from './cli.ts';

const FRAMES_QUEUED_MAX = 16;
/** So many Ctrl-C without the command ending let go of it. */
const INTERRUPTS_MAX = 3;
const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

export type ExecOutcome = { readonly kind: 'exit'; readonly exit: SessionExit } | { readonly kind: 'detached' };

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
    if (options.hasInput) void forwardInput(cli, queue, options.isTty);
    return await followOutput(cli, frames);
  } finally {
    queue.end();
    for (const cleanUp of cleanUps) cleanUp();
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

async function forwardInput(cli: Cli, queue: FrameQueue, isTty: boolean): Promise<void> {
  let isPrefixHeld = false;
  for await (const chunk of cli.terminal.readInput()) {
    const part = isTty ? splitAtDetachKeys(chunk, isPrefixHeld) : { bytes: chunk, isDetach: false, isPrefixHeld: false };
    isPrefixHeld = part.isPrefixHeld;
    for (let start = 0; start < part.bytes.byteLength; start += EXEC_FRAME_BYTES_MAX) {
      if (!(await queue.push(encodeExecFrame('stdin', part.bytes.subarray(start, start + EXEC_FRAME_BYTES_MAX))))) return;
    }
    if (part.isDetach) {
      await queue.push(encodeExecFrame('detach'));
      return;
    }
  }
  await queue.push(encodeExecFrame('stdinEnd'));
}

async function followOutput(cli: Cli, frames: AsyncIterable<ExecFrame>): Promise<ExecOutcome> {
  for await (const frame of frames) {
    switch (frame.kind) {
      case 'stdout':
        await cli.terminal.writeOutput(frame.payload);
        break;
      case 'stderr':
        await cli.terminal.writeError(frame.payload);
        break;
      case 'exit':
        return { kind: 'exit', exit: sessionExit.parse(parse(frame.payload)) };
      case 'detached':
        return { kind: 'detached' };
      case 'error':
        throw fromProblem(problem.parse(parse(frame.payload)));
      default:
        break;
    }
  }
  throw new KelpieError('daemon_unavailable', 'the daemon ended while the command ran; the command goes on: see `kelpie sessions`.');
}

function parse(payload: Bytes): unknown {
  return JSON.parse(fromUtf8(payload));
}
