import { MIB } from '../base/units.ts';
import type { Bytes } from '../base/bytes.ts';
import type { FileHandle } from './files.ts';

/**
 * Raw bytes of a frame at most. Larger ones compress no better, cost a reader of one page more, and make every buffer on
 * their way larger; smaller ones cost more per byte (the table is in docs/BENCHMARKS.md).
 */
export const FRAME_BYTES_MAX: number = MIB;
/** What a seal adds to the bytes that it protects: the tag of AES-256-GCM. */
export const SEAL_BYTES = 16;
/** Bytes of a packed frame at most: what does not shrink is stored as it is. */
export const PACKED_FRAME_BYTES_MAX: number = FRAME_BYTES_MAX + SEAL_BYTES;
export const SEAL_KEY_BYTES = 32;
export const SEAL_NONCE_BYTES = 12;
export const ASSOCIATED_DATA_BYTES_MAX = 256;
export const HKDF_INFO_BYTES_MAX = 1024;
/** Of a private and of a public key. */
export const ED25519_KEY_BYTES = 32;

/** A running SHA-256. */
export interface Hasher {
  update(bytes: Bytes): void;
  /** Lower-case hexadecimal; the hasher is spent. */
  digest(): string;
}

/** How bytes are encrypted and bound to their place, by AES-256-GCM. */
export interface FrameSeal {
  /** `SEAL_KEY_BYTES`. */
  readonly key: Bytes;
  /** `SEAL_NONCE_BYTES`. A pair of key and nonce is used for one plaintext only: the caller sees to it. */
  readonly nonce: Bytes;
  /** What must be the same when they are opened; at most `ASSOCIATED_DATA_BYTES_MAX`. */
  readonly associatedData: Bytes;
}

export type FrameCodec = 'stored' | 'zstd';

export interface PackedFrame {
  readonly bytes: Bytes;
  readonly codec: FrameCodec;
  /** SHA-256 of `bytes`, in lower-case hexadecimal. */
  readonly sha256: string;
}

/** Raw bytes of a frame, and where in a file they go. */
export interface FramePlace {
  /** First of them in the frame. */
  readonly start: number;
  readonly length: number;
  /** In the file. */
  readonly offset: number;
}

/** A file that gets what is in a frame. */
export interface FrameTarget {
  /** Stays open until the call has settled. */
  readonly file: FileHandle;
  readonly places: readonly FramePlace[];
}

/** Pure functions that are quick enough to be done where they are called. */
export interface PureCompute {
  /** SHA-256 in lower-case hexadecimal. */
  sha256(bytes: Bytes): string;
  sha256Hasher(): Hasher;
  /** True when every byte is zero. */
  isZero(bytes: Bytes): boolean;
  /** True when both have the same bytes. */
  isEqual(a: Bytes, b: Bytes): boolean;
  /** CRC-32 (IEEE 802.3) of bytes, continued from `seed`. */
  crc32(bytes: Bytes, seed?: number): number;
  /** `SEAL_KEY_BYTES` derived from `key` by HKDF-SHA-256 (RFC 5869). @param info at most `HKDF_INFO_BYTES_MAX`. */
  hkdfSha256(key: Bytes, salt: Bytes, info: Bytes): Bytes;
  /** The bytes sealed, `SEAL_BYTES` longer. For documents: frames have `Compute.packFrame`. */
  seal(plain: Bytes, seal: FrameSeal): Bytes;
  /** Null when they were not sealed so. */
  open(sealed: Bytes, seal: FrameSeal): Bytes | null;
  /** Ed25519 (RFC 8032). @param seed the private key, `ED25519_KEY_BYTES`. */
  ed25519PublicKey(seed: Bytes): Bytes;
  ed25519Sign(seed: Bytes, message: Bytes): Bytes;
  /** False for a key or a signature of another length, too. */
  ed25519Verify(publicKey: Bytes, message: Bytes, signature: Bytes): boolean;
}

/**
 * Work for the processor. The results are pure functions of the arguments; work on frames is offloaded, and takes the bytes that it
 * is given over: an array that is the whole of its buffer is empty once the call was made, of any other the bytes are copied first.
 *
 * Calls wait for each other, `FRAME_CALLS_MAX` of them; whoever has many frames keeps `framesAtOnce` calls under way.
 * @throws SystemError `ENOMEM`, `EAGAIN` when the system lacks what the work needs.
 */
export interface Compute extends PureCompute {
  /** Calls under way that keep every processor busy; more of them only hold memory. */
  readonly framesAtOnce: number;
  /** Starts what frames need, for those who have some soon: the first one waits 50 ms less. What fails is told by the calls that need it. */
  prepareFrames(): void;
  /**
   * An array of `FRAME_BYTES_MAX` for the raw bytes of a frame. What is in it is not said: it may be one that `packFrame` took over, since the system
   * takes longer to clear a new one than to read into a used one.
   */
  frameBuffer(): Bytes;
  /**
   * Compresses (unless that saves next to nothing), seals unless `seal` is null, and digests one frame.
   * @param raw 1 … `FRAME_BYTES_MAX` bytes.
   */
  packFrame(raw: Bytes, seal: FrameSeal | null): Promise<PackedFrame>;
  /**
   * The frame's raw bytes, exactly `rawBytes` of them: the digest is checked first, then the seal, then the contents. No more than
   * `rawBytes` is allocated for them, whatever the frame says.
   * @param rawBytes 1 … `FRAME_BYTES_MAX`.
   * @throws FrameDamaged
   */
  unpackFrame(packed: PackedFrame, rawBytes: number, seal: FrameSeal | null): Promise<Bytes>;
  /**
   * The same, with the raw bytes written to their places, as by `FileHandle.write`: none of a frame that is damaged, some when the file refuses. Files
   * of this `Env` are written where the frame is unpacked, so that its bytes come past no other thread.
   * @throws FrameDamaged, SystemError of the file.
   */
  unpackFrameTo(
    target: FrameTarget,
    packed: PackedFrame,
    rawBytes: number,
    seal: FrameSeal | null,
  ): Promise<void>;
}

/** Calls of one process that may wait for their frames. */
export const FRAME_CALLS_MAX = 512;

/** The work on frames, done where it is called; `Compute` says what it does. */
export interface FrameWork {
  pack(raw: Bytes, seal: FrameSeal | null): PackedFrame;
  /** @throws FrameDamaged */
  unpack(packed: PackedFrame, rawBytes: number, seal: FrameSeal | null): Bytes;
}

/** What the simulator makes a `Compute` of: nothing in it waits. */
export interface InPlaceCompute extends PureCompute {
  readonly frames: FrameWork;
}
