/**
 * Opening a session on a stream that may hold bytes of an earlier time (`docs/PROTOCOL.md`, "Opening a session").
 *
 *   greet: padding + HELLO(nonce) ──▶ wait HELLO_RETRY_MS, doubling ──▶ again with a new nonce
 *                     │
 *                     ▼ reader: discards until WELCOME(newest nonce)
 *   failure paths: stream ends or breaks → guest_unreachable; too much is discarded → guest_protocol_error;
 *   signal aborts → its reason. In all of them the connection is closed.
 */
import { concat, equalBytes, viewOf } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Env } from '../env/env.ts';
import type { Connection } from '../env/sockets.ts';
import { encodeFrame, FRAME_HEADER_BYTES, frameTypes } from './frame.ts';
import type { Checksum } from './frame.ts';
import { guestProtocolError, guestUnreachable } from './guest-errors.ts';
import {
  HANDSHAKE_DISCARD_BYTES_MAX,
  HELLO_PADDING_BYTES,
  HELLO_RETRY_MS,
  HELLO_RETRY_MS_MAX,
} from './limits.ts';
import { helloPayload, NONCE_BYTES, readWelcome, WELCOME_BYTES } from './payloads.ts';
import type { Welcome } from './payloads.ts';

/** What the client needs of the outside. */
export type GuestEnv = Pick<Env, 'clock' | 'random'> & { readonly compute: Checksum };

export interface Greeting {
  readonly welcome: Welcome;
  /** What came behind the WELCOME: the beginning of the session's frames. */
  readonly rest: Bytes;
}

/** The version of the protocol that this client speaks. */
const PROTOCOL_VERSION = 1;

const WELCOME_FRAME_BYTES = FRAME_HEADER_BYTES + WELCOME_BYTES + 4;

/** Greets until the guest answers. Bound in time only by `signal`. */
export async function greet(env: GuestEnv, connection: Connection, signal: AbortSignal): Promise<Greeting> {
  const scanner = new WelcomeScanner(env.compute);
  const greeted = new AbortController();
  const stop = (): void => connection.close();
  signal.addEventListener('abort', stop, { once: true });
  const greeting = sendHellos(env, connection, scanner, AbortSignal.any([greeted.signal, signal]));
  // A broken sender ends the reader by closing; the sender's error is then the one to tell.
  const sent = greeting.then(
    () => null,
    (error: unknown) => {
      connection.close();
      return { error };
    },
  );
  try {
    signal.throwIfAborted();
    const answer = await readWelcomeFrame(connection, scanner);
    greeted.abort();
    await sent;
    return answer;
  } catch (error) {
    connection.close();
    greeted.abort();
    const failed = await sent;
    signal.throwIfAborted();
    if (failed !== null) throw guestUnreachable('its stream broke during the greeting', failed.error);
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function sendHellos(
  env: GuestEnv,
  connection: Connection,
  scanner: WelcomeScanner,
  stopped: AbortSignal,
): Promise<void> {
  const padding = new Uint8Array(HELLO_PADDING_BYTES);
  let waitMs = HELLO_RETRY_MS;
  while (!stopped.aborted) {
    const nonce = env.random.bytes(NONCE_BYTES);
    scanner.expect(nonce);
    await connection.write(
      concat([padding, encodeFrame(env.compute, frameTypes.hello, helloPayload(nonce))]),
    );
    try {
      await env.clock.sleep(waitMs, stopped);
    } catch (error) {
      if (!stopped.aborted) throw error;
    }
    waitMs = Math.min(waitMs * 2, HELLO_RETRY_MS_MAX);
  }
}

async function readWelcomeFrame(connection: Connection, scanner: WelcomeScanner): Promise<Greeting> {
  for (;;) {
    const bytes = await connection.read();
    if (bytes === null) throw guestUnreachable('its stream ended during the greeting');
    const greeting = scanner.scan(bytes);
    if (greeting === null) continue;
    if (greeting.welcome.version !== PROTOCOL_VERSION) {
      throw guestProtocolError(
        `it speaks version ${greeting.welcome.version}, this is version ${PROTOCOL_VERSION}`,
      );
    }
    return greeting;
  }
}

/** Finds the one WELCOME that answers the newest nonce among bytes of any kind. Holds less than one chunk and one frame. */
export class WelcomeScanner {
  readonly #checksum: Checksum;
  #prefix: Bytes = new Uint8Array(0);
  #tail: Bytes = new Uint8Array(0);
  #discarded = 0;

  constructor(checksum: Checksum) {
    this.#checksum = checksum;
  }

  /** From now on only an answer to this nonce counts. */
  expect(nonce: Bytes): void {
    // The first 24 bytes of the frame that is looked for: header and nonce.
    this.#prefix = encodeFrame(
      this.#checksum,
      frameTypes.welcome,
      nonce,
      new Uint8Array(WELCOME_BYTES - NONCE_BYTES),
    ).subarray(0, FRAME_HEADER_BYTES + NONCE_BYTES);
  }

  /**
   * The greeting, once `chunk` completes it.
   * @throws KelpieError `guest_protocol_error` when more than `HANDSHAKE_DISCARD_BYTES_MAX` came without it.
   */
  scan(chunk: Bytes): Greeting | null {
    const bytes = concat([this.#tail, chunk]);
    let start = bytes.indexOf(this.#prefix[0] ?? 0);
    while (start !== -1 && start + WELCOME_FRAME_BYTES <= bytes.byteLength) {
      const frame = bytes.subarray(start, start + WELCOME_FRAME_BYTES);
      if (this.#isExpected(frame)) {
        return {
          welcome: readWelcome(frame.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + WELCOME_BYTES)),
          rest: bytes.slice(start + WELCOME_FRAME_BYTES),
        };
      }
      start = bytes.indexOf(this.#prefix[0] ?? 0, start + 1);
    }
    this.#tail = start === -1 ? new Uint8Array(0) : bytes.slice(start);
    this.#discarded += bytes.byteLength - this.#tail.byteLength;
    if (this.#discarded > HANDSHAKE_DISCARD_BYTES_MAX) {
      throw guestProtocolError(`${this.#discarded} bytes came before its greeting`);
    }
    return null;
  }

  #isExpected(frame: Bytes): boolean {
    if (!equalBytes(frame.subarray(0, this.#prefix.byteLength), this.#prefix)) return false;
    const end = WELCOME_FRAME_BYTES - 4;
    return viewOf(frame).getUint32(end, true) === this.#checksum.crc32(frame.subarray(0, end));
  }
}
