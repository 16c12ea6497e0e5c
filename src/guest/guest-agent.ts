/**
 * What the host can ask of a VM's guest agent (`docs/PROTOCOL.md`), free of how the bytes travel.
 *
 * The guest is untrusted: any of these may be answered falsely, late or not at all. Each call is bounded by
 * `GUEST_CALL_TIMEOUT_MS` unless it says otherwise, and fails with `guest_unreachable`, `guest_protocol_error` or
 * `guest_failed`; none of them ever blocks another.
 */
import type { Bytes } from '../base/bytes.ts';

export interface GuestHealth {
  readonly version: string;
  readonly architecture: string;
  readonly bootId: string;
  readonly generation: number;
  readonly uptimeMs: number;
  readonly unixMs: number;
  readonly sessions: number;
  readonly memoryTotalBytes: number;
  readonly memoryAvailableBytes: number;
  readonly kernel: string;
  /** Null when the agent does not run in one of our images. */
  readonly imageVersion: string | null;
}

/** How a command ended. */
export type SessionExit =
  | { readonly code: number; readonly timedOut: boolean }
  | { readonly signal: number; readonly timedOut: boolean };

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export interface ExecRequest {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: string;
  readonly tty?: TerminalSize;
  /** Keep stdin open for the host; else the command reads nothing. */
  readonly stdin?: boolean;
  /** 0 or absent: no limit. */
  readonly timeoutMs?: number;
}

export interface SessionInfo {
  readonly session: number;
  readonly pid: number;
  readonly argv: readonly string[];
  readonly user: string;
  readonly tty: boolean;
  readonly startedAtUnixMs: number;
  readonly running: boolean;
  readonly attached: boolean;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  readonly exit: SessionExit | null;
}

export type SessionEvent =
  | {
      readonly kind: 'output';
      readonly stream: 'stdout' | 'stderr';
      readonly offset: number;
      readonly bytes: Bytes;
    }
  | { readonly kind: 'end'; readonly stream: 'stdout' | 'stderr'; readonly offset: number }
  /** The last event of a session. */
  | { readonly kind: 'exit'; readonly exit: SessionExit };

/** Where to go on; absent: the oldest byte that the guest keeps. */
export interface SessionOffsets {
  readonly stdout?: number;
  readonly stderr?: number;
}

/** An attachment to one session. While it lasts, output waits for `events` to be read. */
export interface GuestSession {
  readonly session: number;
  readonly pid: number | null;
  /** Where the streams began: later than asked for when the bytes are gone. */
  readonly offsets: { readonly stdout: number; readonly stderr: number };
  /** How many bytes of stdin the guest had taken when this attachment began. */
  readonly stdinOffset: number;
  /** Output as it comes; ends after `exit`. At most `SESSION_WINDOW_BYTES` per stream wait in this process. One reader. */
  readonly events: AsyncIterable<SessionEvent>;
  /**
   * Resolves when the bytes may be forgotten by the caller (they are on their way within the guest's credit). Writes
   * keep their order. What a command that has ended did not read is dropped, as a pipe's writer is not asked to know
   * how much its reader wants. @throws KelpieError `invalid_state` after `endStdin` or `detach`.
   */
  writeStdin(bytes: Bytes): Promise<void>;
  endStdin(): Promise<void>;
  /** Does nothing to a command that has ended. */
  signal(signal: number): Promise<void>;
  /** Does nothing to a command that has ended, or has no terminal. */
  resize(size: TerminalSize): Promise<void>;
  /** Leaves the command running, unattended. May be called twice. */
  detach(): Promise<void>;
}

export interface GuestFileInfo {
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  readonly sizeBytes: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedAtUnixMs: number;
}

export interface GuestFileWrite {
  readonly path: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Make missing folders. */
  readonly parents?: boolean;
}

export interface IdentityRepair {
  /** Gives the time at the moment that the request leaves. */
  readonly unixNs: () => bigint;
  readonly seed: Bytes;
  /** Larger than the guest's present generation. */
  readonly generation: number;
  /** Practise starting a command once all is answered: for a CPU that starts without translated code. */
  readonly rehearse?: boolean;
  readonly hostname?: string;
  readonly machineId?: string;
}

export interface GuestAgent {
  /** As of the handshake. */
  readonly bootId: string;
  readonly generation: number;
  /** Resolves when this connection has ended, with why. */
  readonly closed: Promise<Error>;
  health(): Promise<GuestHealth>;
  /** Starts a command attached. @throws KelpieError `command_not_executable`. */
  startSession(request: ExecRequest): Promise<GuestSession>;
  /** Starts a command that nobody is attached to. */
  startDetached(request: ExecRequest): Promise<{ readonly session: number; readonly pid: number }>;
  /** @throws KelpieError `session_not_found`, `invalid_state` when another is attached. */
  attachSession(session: number, offsets?: SessionOffsets): Promise<GuestSession>;
  listSessions(): Promise<readonly SessionInfo[]>;
  signalSession(session: number, signal: number): Promise<void>;
  forgetSession(session: number): Promise<void>;
  stat(path: string): Promise<GuestFileInfo>;
  /** @throws KelpieError `file_not_found`. */
  readFile(path: string): Promise<{ readonly info: GuestFileInfo; readonly bytes: AsyncIterable<Bytes> }>;
  /** Resolves when the file is durable in the guest under its name; an error or a thrown iteration leaves the target untouched. */
  writeFile(write: GuestFileWrite, bytes: AsyncIterable<Bytes>): Promise<{ readonly sizeBytes: number }>;
  /** @throws KelpieError `guest_repair_failed`: the VM must not be handed out. */
  repair(repair: IdentityRepair): Promise<{ readonly clockStepMs: number; readonly generation: number }>;
  /** Of a guest that has booted: hardware clocks count whole seconds, so it may be a second slow. @param unixNs as of `IdentityRepair`. */
  setClock(unixNs: () => bigint): Promise<{ readonly clockStepMs: number }>;
  sync(): Promise<void>;
  /** Resolves when the guest has taken the request. */
  powerOff(): Promise<void>;
  /**
   * Waits until no request is under way, at most `timeoutMs`, and holds new ones back until `release`: a snapshot then
   * has no question in flight that would be answered twice or never.
   * @throws KelpieError `timeout` when one still is; nothing is held back then.
   */
  quiesce(timeoutMs: number): Promise<{ release(): void }>;
  close(): void;
}
