/** Every bound of the guest agent's client. Those that both ends must agree on are in `docs/PROTOCOL.md`. */
import { KIB, MIB, SECOND_MS } from '../base/units.ts';

/** Longest payload of one frame (protocol). */
export const FRAME_PAYLOAD_BYTES_MAX: number = 32 * KIB;
/** Zeros before a HELLO, enough to complete any cut frame (protocol). */
export const HELLO_PADDING_BYTES = 32_784;
/** Requests that the agent takes at once (protocol). */
export const REQUESTS_IN_FLIGHT_MAX = 64;
/** Sessions that an agent keeps (protocol), so at most this many can be attached. */
export const SESSIONS_MAX = 64;
/** File transfers that an agent keeps (protocol). */
export const TRANSFERS_MAX = 16;

/** Calls that wait for one of the places in flight; more are refused with `limit_exceeded`. */
export const REQUESTS_WAITING_MAX = 1024;
/** How long a call may take, from being made to its answer. */
export const GUEST_CALL_TIMEOUT_MS: number = 30 * SECOND_MS;
/** The same for calls that wait for the guest's disk: `sync` and the commit of a file. */
export const GUEST_SYNC_TIMEOUT_MS: number = 120 * SECOND_MS;

/** Longest text of the guest in one of our error messages, in UTF-16 units. */
export const GUEST_TEXT_LENGTH_MAX = 200;

/** How long the whole of connecting and greeting may take unless the caller says otherwise. */
export const CONNECT_TIMEOUT_MS_DEFAULT: number = 30 * SECOND_MS;
/** Between two attempts to open the stream, when it was refused or ended. */
export const CONNECT_RETRY_MS = 50;
/** The wait for the first WELCOME; it doubles up to the maximum. */
export const HELLO_RETRY_MS = 500;
export const HELLO_RETRY_MS_MAX: number = 8 * SECOND_MS;
/** Stale bytes that may come before the WELCOME: far more than any chain of buffers between the two ends holds. */
export const HANDSHAKE_DISCARD_BYTES_MAX: number = 16 * MIB;

/** Output of one stream of a session that may wait in this process. */
export const SESSION_WINDOW_BYTES: number = 256 * KIB;
/** Input of a session that is kept to be sent again: what the guest lets be under way, and more. */
export const SESSION_STDIN_KEPT_BYTES: number = MIB;
/** Bytes of a file being read that may wait in this process. */
export const TRANSFER_WINDOW_BYTES: number = 256 * KIB;
/** A new limit is granted when this share of the window was consumed: few CREDIT frames, and the sender never runs dry. */
export const CREDIT_SHARE = 0.25;
/** Longest piece of output in one event; shorter neighbours are joined up to it. */
export const EVENT_BYTES_MAX: number = 32 * KIB;
/** Waiting events up to which the order between two streams is kept; beyond it each stream only keeps its own. */
export const EVENTS_ORDERED_MAX = 64;
/** Calls to write that wait behind the one under way, per stream. */
export const WRITES_WAITING_MAX = 64;
/** A file transfer without progress for this long has failed. */
export const TRANSFER_STALL_MS: number = 60 * SECOND_MS;
