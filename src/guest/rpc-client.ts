/**
 * JSON-RPC over a link: numbers requests, bounds them, and gives each its answer, its refusal or its time-out.
 *
 *   call ──▶ waiting ──▶ sent ──▶ answered
 *              │           └──▶ abandoned (timed out; keeps its place in flight) ──▶ answered late
 *              └──▶ timed out, forgotten
 *   the link closes: all of them reject
 */
import { KelpieError } from '../base/errors.ts';
import { utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Clock } from '../env/clock.ts';
import { guestProtocolError, guestRefusal, guestUnreachable } from './guest-errors.ts';
import type { RefusedCall } from './guest-errors.ts';
import type { GuestLink, ResponseSink } from './guest-link.ts';
import {
  FRAME_PAYLOAD_BYTES_MAX,
  GUEST_CALL_TIMEOUT_MS,
  GUEST_TEXT_LENGTH_MAX,
  REQUESTS_IN_FLIGHT_MAX,
  REQUESTS_WAITING_MAX,
} from './limits.ts';
import { parseResponse } from './schemas.ts';
import { startTimer } from './timer.ts';

export type RequestParams = Readonly<Record<string, unknown>>;

export interface RpcCall<T> {
  readonly method: string;
  readonly params: RequestParams;
  /** More members, asked for at the moment that the request leaves (and once before, to know its size). */
  readonly paramsAtSending?: () => RequestParams;
  /** Checks the result. It runs before the next frame is looked at, so it may open the channel that the frame is for. */
  readonly accept: (result: unknown) => T;
  /** Told of a result that came after the time-out, to undo what nobody asked for any more. */
  readonly onLate?: (value: T) => void;
  readonly timeoutMs?: number;
}

interface Pending {
  readonly id: number;
  readonly encode: () => Bytes;
  /** Both settle the call and are void once it timed out, but for `onLate`. */
  readonly onResult: (result: unknown) => void;
  readonly onError: (error: Error) => void;
  readonly call: RefusedCall;
}

const ID_MAX = 0x7fff_ffff;

export class RpcClient implements ResponseSink {
  readonly #clock: Clock;
  readonly #link: GuestLink;
  readonly #inFlight = new Map<number, Pending>();
  readonly #waiting: Pending[] = [];
  readonly #idleWaiters = new Set<() => void>();
  #nextId = 1;
  #holds = 0;

  constructor(clock: Clock, link: GuestLink) {
    this.#clock = clock;
    this.#link = link;
  }

  /** @throws KelpieError `guest_unreachable`, `guest_protocol_error`, `limit_exceeded`, `invalid_argument`, or what the refusal means. */
  async call<T>(call: RpcCall<T>): Promise<T> {
    const id = this.#takeId();
    const encode = (): Bytes =>
      encodeRequest(id, call.method, { ...call.params, ...call.paramsAtSending?.() });
    const body = encode();
    const refusal = this.#refusal(call.method, body);
    if (refusal !== null) throw refusal;

    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timeoutMs = call.timeoutMs ?? GUEST_CALL_TIMEOUT_MS;
    let isAbandoned = false;
    const cancelTimer = startTimer(this.#clock, timeoutMs, () => {
      isAbandoned = true;
      this.#forgetWaiting(id);
      reject(guestUnreachable(`${call.method} was not answered in ${timeoutMs} ms`));
    });
    const onError = (error: Error): void => {
      cancelTimer();
      reject(error);
    };
    const onResult = (result: unknown): void => {
      cancelTimer();
      try {
        const value = call.accept(result);
        if (isAbandoned) call.onLate?.(value);
        resolve(value);
      } catch (error) {
        reject(error);
        throw error;
      }
    };
    const encodeLate = call.paramsAtSending === undefined ? () => body : encode;
    this.#waiting.push({ id, call, encode: encodeLate, onResult, onError });
    this.#sendWaiting();
    return promise;
  }

  /**
   * Waits until nothing is under way and holds new calls back until `release`.
   * @throws KelpieError `timeout` when something still is after `timeoutMs`; nothing is held back then.
   */
  async quiesce(timeoutMs: number): Promise<{ release(): void }> {
    this.#holds += 1;
    let isHeld = true;
    const release = (): void => {
      if (!isHeld) return;
      isHeld = false;
      this.#holds -= 1;
      this.#sendWaiting();
    };
    try {
      if (this.#inFlight.size > 0) await this.#untilIdle(timeoutMs);
      if (this.#link.failure !== null) throw this.#link.failure;
    } catch (error) {
      release();
      throw error;
    }
    return { release };
  }

  onResponse(payload: Bytes): void {
    const response = parseResponse(payload);
    const pending = this.#inFlight.get(response.id);
    if (pending === undefined) {
      throw guestProtocolError(`an answer to request ${response.id}, which was not asked`);
    }
    this.#inFlight.delete(response.id);
    if ('failure' in response) pending.onError(guestRefusal(pending.call, response.failure));
    else pending.onResult(response.result);
    this.#sendWaiting();
    this.#tellIdle();
  }

  onClosed(error: Error): void {
    const all = [...this.#inFlight.values(), ...this.#waiting.splice(0)];
    this.#inFlight.clear();
    for (const pending of all) pending.onError(error);
    this.#tellIdle();
  }

  #refusal(method: string, body: Bytes): Error | null {
    if (this.#link.failure !== null) return this.#link.failure;
    if (body.byteLength > FRAME_PAYLOAD_BYTES_MAX) {
      return new KelpieError(
        'limit_exceeded',
        `${method} takes ${body.byteLength} bytes, more than ${FRAME_PAYLOAD_BYTES_MAX}`,
      );
    }
    if (this.#waiting.length >= REQUESTS_WAITING_MAX) {
      return new KelpieError(
        'limit_exceeded',
        `${REQUESTS_WAITING_MAX} calls to this guest wait already; try again later`,
      );
    }
    return null;
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId = id === ID_MAX ? 1 : id + 1;
    return id;
  }

  #sendWaiting(): void {
    while (this.#holds === 0 && this.#inFlight.size < REQUESTS_IN_FLIGHT_MAX) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#inFlight.set(next.id, next);
      this.#link.sendRequest(next.encode);
    }
  }

  #forgetWaiting(id: number): void {
    const index = this.#waiting.findIndex((pending) => pending.id === id);
    if (index !== -1) this.#waiting.splice(index, 1);
  }

  async #untilIdle(timeoutMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cancelTimer = startTimer(this.#clock, timeoutMs, () =>
      reject(new KelpieError('timeout', `the guest still owes an answer after ${timeoutMs} ms`)),
    );
    this.#idleWaiters.add(resolve);
    try {
      await promise;
    } finally {
      cancelTimer();
      this.#idleWaiters.delete(resolve);
    }
  }

  #tellIdle(): void {
    if (this.#inFlight.size > 0) return;
    for (const tell of this.#idleWaiters) tell();
  }
}

/** @throws KelpieError `invalid_argument` for a text that the protocol cannot carry; the guest could not say whose it was. */
function encodeRequest(id: number, method: string, params: RequestParams): Bytes {
  return utf8(JSON.stringify({ jsonrpc: '2.0', id, method, params }, refuseUnsendable));
}

function refuseUnsendable(key: string, value: unknown): unknown {
  for (const text of [key, value]) {
    if (typeof text !== 'string' || (text.isWellFormed() && !text.includes('\0'))) continue;
    const shown = JSON.stringify(text.slice(0, GUEST_TEXT_LENGTH_MAX));
    throw new KelpieError(
      'invalid_argument',
      `${shown} holds a NUL or is not Unicode; a guest cannot take it`,
    );
  }
  return value;
}
