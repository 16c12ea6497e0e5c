/** The guest agent's interface over one greeted connection. */
import { KelpieError, isKelpieError } from '../base/errors.ts';
import type { Bytes } from '../base/bytes.ts';
import type { Connection } from '../env/sockets.ts';
import { AttachedSession } from './attached-session.ts';
import { readGuestFile } from './file-reader.ts';
import type { TransferContext } from './file-transfer.ts';
import { writeGuestFile } from './file-writer.ts';
import type {
  ExecRequest,
  GuestAgent,
  GuestFileInfo,
  GuestFileWrite,
  GuestHealth,
  GuestSession,
  IdentityRepair,
  SessionInfo,
  SessionOffsets,
} from './guest-agent.ts';
import { guestProtocolError, guestUnreachable } from './guest-errors.ts';
import { GuestLink } from './guest-link.ts';
import type { Greeting, GuestEnv } from './handshake.ts';
import { GUEST_SYNC_TIMEOUT_MS, SESSION_WINDOW_BYTES } from './limits.ts';
import { RpcClient } from './rpc-client.ts';
import type { RequestParams } from './rpc-client.ts';
import {
  parseAttached,
  parseHealth,
  parseNothing,
  parseClockSet,
  parseRepaired,
  parseSessions,
  parseStarted,
  parseStat,
} from './schemas.ts';

/** Channels of transfers; sessions have the smaller numbers. */
const CHANNEL_MIN = 0x8000_0000;
const CHANNEL_MAX = 0xffff_ffff;

export class GuestClient implements GuestAgent {
  readonly bootId: string;
  readonly generation: number;
  readonly closed: Promise<Error>;
  readonly #link: GuestLink;
  readonly #rpc: RpcClient;
  readonly #transfers: TransferContext;
  #nextChannel: number = CHANNEL_MIN;

  constructor(env: GuestEnv, connection: Connection, greeting: Greeting) {
    this.bootId = greeting.welcome.bootId;
    this.generation = greeting.welcome.generation;
    this.#link = new GuestLink(env.compute, connection);
    this.#rpc = new RpcClient(env.clock, this.#link);
    this.#transfers = { clock: env.clock, link: this.#link, rpc: this.#rpc };
    this.closed = this.#link.closed;
    this.#link.start(greeting.rest, this.#rpc);
  }

  health(): Promise<GuestHealth> {
    return this.#rpc.call({ method: 'system.health', params: {}, accept: parseHealth });
  }

  startSession(request: ExecRequest): Promise<GuestSession> {
    const attach = { stdoutLimit: SESSION_WINDOW_BYTES, stderrLimit: SESSION_WINDOW_BYTES };
    return this.#rpc.call({
      method: 'exec.start',
      params: { ...startParams(request), attach },
      accept: (result) => {
        const attachment = { offsets: { stdout: 0, stderr: 0 }, stdin: { offset: 0, limit: 0 } };
        return new AttachedSession(this.#link, this.#rpc, { ...parseStarted(result), ...attachment });
      },
      onLate: (session) => this.#leave(session),
    });
  }

  startDetached(request: ExecRequest): Promise<{ readonly session: number; readonly pid: number }> {
    return this.#rpc.call({ method: 'exec.start', params: startParams(request), accept: parseStarted });
  }

  attachSession(session: number, offsets: SessionOffsets = {}): Promise<GuestSession> {
    return this.#rpc.call({
      method: 'exec.attach',
      params: attachParams(session, offsets),
      accept: (result) => {
        const answer = parseAttached(result);
        if (answer.stdoutOffset < (offsets.stdout ?? 0) || answer.stderrOffset < (offsets.stderr ?? 0)) {
          throw guestProtocolError('output begins before the offset that was asked for');
        }
        const attached = new AttachedSession(this.#link, this.#rpc, {
          session,
          pid: null,
          offsets: { stdout: answer.stdoutOffset, stderr: answer.stderrOffset },
          stdin: { offset: answer.stdinOffset, limit: answer.stdinLimit },
        });
        attached.grantFirst();
        return attached;
      },
      onLate: (late) => this.#leave(late),
    });
  }

  listSessions(): Promise<readonly SessionInfo[]> {
    return this.#rpc.call({ method: 'exec.list', params: {}, accept: parseSessions });
  }

  async signalSession(session: number, signal: number): Promise<void> {
    await this.#command('exec.signal', { session, signal });
  }

  async forgetSession(session: number): Promise<void> {
    await this.#command('exec.forget', { session });
  }

  stat(path: string): Promise<GuestFileInfo> {
    return this.#rpc.call({ method: 'file.stat', params: { path }, accept: parseStat });
  }

  readFile(path: string): Promise<{ readonly info: GuestFileInfo; readonly bytes: AsyncIterable<Bytes> }> {
    return readGuestFile(this.#transfers, this.#takeChannel(), path);
  }

  writeFile(write: GuestFileWrite, bytes: AsyncIterable<Bytes>): Promise<{ readonly sizeBytes: number }> {
    return writeGuestFile(this.#transfers, this.#takeChannel(), write, bytes);
  }

  async repair(
    repair: IdentityRepair,
  ): Promise<{ readonly clockStepMs: number; readonly generation: number }> {
    const { unixNs, seed, ...names } = repair;
    try {
      const repaired = await this.#rpc.call({
        method: 'system.repair',
        params: { ...names, seed: btoa(String.fromCharCode(...seed)) },
        paramsAtSending: () => ({ unixNs: unixNs().toString() }),
        accept: parseRepaired,
      });
      if (repaired.generation === repair.generation) return repaired;
      throw new KelpieError(
        'guest_repair_failed',
        `the guest is at generation ${repaired.generation}, not ${repair.generation}`,
      );
    } catch (error) {
      if (isKelpieError(error, 'guest_unreachable', 'guest_protocol_error', 'guest_repair_failed')) {
        throw error;
      }
      throw new KelpieError(
        'guest_repair_failed',
        'the guest could not repair its identity; it must not run.',
        { cause: error },
      );
    }
  }

  setClock(unixNs: () => bigint): Promise<{ readonly clockStepMs: number }> {
    return this.#rpc.call({
      method: 'system.setClock',
      params: {},
      paramsAtSending: () => ({ unixNs: unixNs().toString() }),
      accept: parseClockSet,
    });
  }

  async sync(): Promise<void> {
    await this.#command('system.sync', {}, GUEST_SYNC_TIMEOUT_MS);
  }

  async powerOff(): Promise<void> {
    await this.#command('system.powerOff', {});
  }

  quiesce(timeoutMs: number): Promise<{ release(): void }> {
    return this.#rpc.quiesce(timeoutMs);
  }

  close(): void {
    this.#link.fail(guestUnreachable('its connection was closed on this side'));
  }

  #command(method: string, params: RequestParams, timeoutMs?: number): Promise<unknown> {
    const bound = timeoutMs === undefined ? {} : { timeoutMs };
    return this.#rpc.call({ method, params, accept: parseNothing, ...bound });
  }

  /** An attachment that came after its call had timed out. A guest that cannot end it either is of no use. */
  #leave(session: AttachedSession): void {
    session
      .detach()
      .catch((error: unknown) => this.#link.fail(guestUnreachable('it does not detach', error)));
  }

  #takeChannel(): number {
    do {
      this.#nextChannel = this.#nextChannel === CHANNEL_MAX ? CHANNEL_MIN : this.#nextChannel + 1;
    } while (this.#link.isOpen(this.#nextChannel));
    return this.#nextChannel;
  }
}

function startParams(request: ExecRequest): RequestParams {
  return { ...request, stdin: request.stdin ?? false, timeoutMs: request.timeoutMs ?? 0 };
}

/** Without credit: it is absolute, and only the answer tells where the streams begin. */
function attachParams(session: number, offsets: SessionOffsets): RequestParams {
  return {
    session,
    ...(offsets.stdout === undefined ? {} : { stdoutOffset: offsets.stdout }),
    ...(offsets.stderr === undefined ? {} : { stderrOffset: offsets.stderr }),
    stdoutLimit: 0,
    stderrLimit: 0,
  };
}
