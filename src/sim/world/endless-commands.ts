/**
 * Commands of a guest that do not end before they are killed: one that hangs says nothing, one that floods writes as fast as it is let. The guest's agent does not
 * end them either when their time is over, so that only the host's own bounds are left.
 */
import { assert } from '../../base/assert.ts';
import { utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { frameTypes } from '../../guest/frame.ts';
import type { FrameType } from '../../guest/frame.ts';
import { DATA_BYTES_MAX, channelHeader, streams } from '../../guest/payloads.ts';

export type Endlessness = 'silent' | 'flood';
type MakeFrame = (type: FrameType, ...parts: readonly Bytes[]) => Bytes;

const SIGKILL = 9;
const flood = new Uint8Array(DATA_BYTES_MAX).fill(0x79);

export class EndlessCommands {
  readonly #frame: MakeFrame;
  readonly #running = new Map<number, { readonly kind: Endlessness; writtenBytes: number }>();

  constructor(frame: MakeFrame) {
    this.#frame = frame;
  }

  /** @param limitBytes how much of its output is taken at first. */
  start(session: number, kind: Endlessness, limitBytes: number): readonly Bytes[] {
    assert(!this.#running.has(session), 'a session is started once');
    this.#running.set(session, { kind, writtenBytes: 0 });
    return this.credit(session, limitBytes);
  }

  /** What it writes now that so much of its output is taken. */
  credit(session: number, limitBytes: number): readonly Bytes[] {
    const command = this.#running.get(session);
    if (command?.kind !== 'flood') return [];
    const frames: Bytes[] = [];
    while (command.writtenBytes < limitBytes) {
      const piece = flood.subarray(0, limitBytes - command.writtenBytes);
      const header = { channel: session, stream: streams.stdout, position: command.writtenBytes };
      frames.push(this.#frame(frameTypes.data, channelHeader(header), piece));
      command.writtenBytes += piece.byteLength;
    }
    return frames;
  }

  /** Null when there is no such command. */
  kill(session: number): readonly Bytes[] | null {
    const command = this.#running.get(session);
    if (command === undefined) return null;
    this.#running.delete(session);
    const end = (stream: 1 | 2, position: number): Bytes =>
      this.#frame(frameTypes.end, channelHeader({ channel: session, stream, position }));
    const exited = {
      jsonrpc: '2.0',
      method: 'exec.exited',
      params: { session, exit: { signal: SIGKILL } },
    };
    return [
      end(streams.stdout, command.writtenBytes),
      end(streams.stderr, 0),
      this.#frame(frameTypes.event, utf8(JSON.stringify(exited))),
    ];
  }
}
