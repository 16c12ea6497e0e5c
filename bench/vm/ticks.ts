/** Listens for the ticks of measured guests (`work.py`): how long each was silent, by the host's clock. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** A guest that works says so some hundred times a second; even emulated on a busy host it is never silent for so long. */
const SILENCE_MS_MAX = 30_000;

interface Tick {
  readonly atMs: number;
  readonly number: number;
}

export class Ticks {
  readonly port: number;
  readonly #socket: ReturnType<typeof createSocket>;
  readonly #ticks = new Map<string, Tick[]>();

  private constructor(socket: ReturnType<typeof createSocket>) {
    this.#socket = socket;
    this.port = socket.address().port;
    socket.on('message', (message) => {
      const [name = '', number = ''] = message.toString().split(' ');
      this.#ticks.get(name)?.push({ atMs: performance.now(), number: Number(number) });
    });
  }

  static async listen(): Promise<Ticks> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new Ticks(socket);
  }

  /** Forgets what the guest said before. */
  begin(name: string): void {
    this.#ticks.set(name, []);
  }

  /** Resolves when the guest has said something after `begin` and worked for `durationMs` since. */
  async worked(name: string, durationMs: number): Promise<void> {
    const deadlineMs = performance.now() + SILENCE_MS_MAX;
    for (;;) {
      const ticks = this.#ticks.get(name) ?? [];
      const [first, last] = [ticks[0], ticks.at(-1)];
      if (first !== undefined && last !== undefined && last.atMs - first.atMs >= durationMs) return;
      if (performance.now() > deadlineMs) throw new Error(`the guest of ${name} is silent`);
      await sleep(5);
    }
  }

  /** The longest silence since `begin`. The program that speaks must be the same one all the time. */
  longestGapMs(name: string): number {
    const ticks = this.#ticks.get(name) ?? [];
    let gapMs = 0;
    for (const [index, tick] of ticks.entries()) {
      const before = ticks[index - 1] ?? tick;
      if (tick.number < before.number)
        throw new Error(`the count of ${name} went back from ${before.number} to ${tick.number}`);
      gapMs = Math.max(gapMs, tick.atMs - before.atMs);
    }
    return gapMs;
  }

  close(): void {
    this.#socket.close();
  }
}
