/** Packs and unpacks one frame, on the thread that calls. */
import { bare } from './bare.ts';
import { crypto, zlib } from './late-modules.ts';
import { open, seal as sealBytes } from './sealing.ts';
import { assert } from '../../base/assert.ts';
import { freeBytes, viewOf } from '../../base/bytes.ts';
import { isJsonObject } from '../../base/json.ts';
import { KIB } from '../../base/units.ts';
import { FRAME_BYTES_MAX, PACKED_FRAME_BYTES_MAX } from '../compute.ts';
import { FrameDamaged } from '../frame-damaged.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { FrameCodec, FrameSeal, FrameWork, PackedFrame } from '../compute.ts';

/** 3 saves 5 % more of memory for 40 % more time. */
const ZSTD_LEVEL = 1;
/** A frame that keeps more than this of its size is stored as it is, and costs its readers nothing. */
const COMPRESSED_SHARE_MAX: number = 15 / 16;
/** Log2 of the window that a decoder allocates at most; by default a frame of a few bytes could ask for 128 MiB. */
const ZSTD_WINDOW_LOG_MAX: number = Math.log2(FRAME_BYTES_MAX);
/** Node's least size of an output buffer. */
const CHUNK_BYTES_MIN = 64;

const codecBytes: Readonly<Record<FrameCodec, number>> = { stored: 0, zstd: 1 };

/** What comes out may be the very array that went in. */
export const frameWork: FrameWork = { pack, unpack };

function pack(raw: Bytes, seal: FrameSeal | null): PackedFrame {
  assert(raw.byteLength >= 1 && raw.byteLength <= FRAME_BYTES_MAX, 'a frame has a bounded size');
  const compressed = compress(raw);
  const codec = compressed.byteLength <= raw.byteLength * COMPRESSED_SHARE_MAX ? 'zstd' : 'stored';
  const plain = codec === 'zstd' ? compressed : raw;
  // What goes out is in a buffer of its own size, not in the compressor's.
  const own = (): Bytes => (plain === raw ? raw : new Uint8Array(plain));
  const bytes = seal === null ? own() : sealBytes(plain, seal, trailer(codec, raw.byteLength));
  freeBytes(compressed);
  return { bytes, codec, sha256: digestOf(bytes) };
}

function unpack(packed: PackedFrame, rawBytes: number, seal: FrameSeal | null): Bytes {
  assert(rawBytes >= 1 && rawBytes <= FRAME_BYTES_MAX, 'a frame has a bounded size');
  const { bytes, codec, sha256 } = packed;
  if (bytes.byteLength > PACKED_FRAME_BYTES_MAX) throw new FrameDamaged('contents');
  if (digestOf(bytes) !== sha256) throw new FrameDamaged('digest');
  const plain = seal === null ? bytes : openBytes(bytes, seal, trailer(codec, rawBytes));
  const raw = codec === 'zstd' ? decompress(plain, rawBytes) : plain;
  if (plain !== bytes && plain !== raw) freeBytes(plain);
  if (raw.byteLength !== rawBytes) throw new FrameDamaged('contents');
  return raw;
}

function digestOf(bytes: Bytes): string {
  return crypto().hash('sha256', bytes, 'hex');
}

function compress(raw: Bytes): Bytes {
  const { constants, zstdCompressSync } = zlib();
  return zstdCompressSync(raw, {
    // One buffer that surely is enough (ZSTD_COMPRESSBOUND), instead of many that are joined: a third less time.
    chunkSize: raw.byteLength + (raw.byteLength >> 8) + KIB,
    pledgedSrcSize: raw.byteLength,
    params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
  });
}

function decompress(plain: Bytes, rawBytes: number): Bytes {
  const { buffer, engine } = inflate(plain, rawBytes);
  // Node stops at the end of the first zstd frame, whatever follows.
  if (engine.bytesWritten !== plain.byteLength) throw new FrameDamaged('contents');
  return bare(buffer);
}

/** What Node's option `info` makes of a result; its types do not know of it. */
interface Inflated {
  readonly buffer: Uint8Array;
  readonly engine: { readonly bytesWritten: number };
}

function isInflated(value: unknown): value is Inflated {
  return isJsonObject(value) && value['buffer'] instanceof Uint8Array && isJsonObject(value['engine']);
}

function inflate(plain: Bytes, rawBytes: number): Inflated {
  const { constants, zstdDecompressSync } = zlib();
  let inflated: unknown;
  try {
    inflated = zstdDecompressSync(plain, {
      maxOutputLength: rawBytes,
      // One byte more than it may be: a second buffer is made only when the first is full.
      chunkSize: Math.max(rawBytes + 1, CHUNK_BYTES_MIN),
      params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG_MAX },
      info: true,
    });
  } catch (error) {
    throw new FrameDamaged('contents', error);
  }
  assert(isInflated(inflated), 'Node tells how much it has read');
  return inflated;
}

/** What the seal binds besides the caller's own data: how the bytes are to be read. */
function trailer(codec: FrameCodec, rawBytes: number): Bytes {
  const bytes = new Uint8Array(5);
  bytes[0] = codecBytes[codec];
  viewOf(bytes).setUint32(1, rawBytes, true);
  return bytes;
}

function openBytes(sealed: Bytes, seal: FrameSeal, bound: Bytes): Bytes {
  const plain = open(sealed, seal, bound);
  if (plain === null) throw new FrameDamaged('seal');
  return plain;
}
