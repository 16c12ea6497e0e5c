import assert from 'node:assert/strict';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { concat } from '../../src/base/bytes.ts';
import { KIB, MIB, PAGE_BYTES } from '../../src/base/units.ts';
import { FRAME_BYTES_MAX, PACKED_FRAME_BYTES_MAX, SEAL_BYTES } from '../../src/env/compute.ts';
import { FrameDamaged } from '../../src/env/frame-damaged.ts';
import { isSystemError } from '../../src/env/system-error.ts';
import { promises } from './with-fixture.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Compute, FrameSeal, PackedFrame } from '../../src/env/compute.ts';
import type { FrameDamage } from '../../src/env/frame-damaged.ts';
import type { CreateFixture } from './env-suite.ts';

/** Bytes that shrink, to about a quarter. */
function pages(length: number, salt = 1): Bytes {
  return Uint8Array.from({ length }, (_, index) => ((index >> 3) * 31 + salt) & (index & 64 ? 7 : 255));
}

/** Bytes that do not shrink: a generator of George Marsaglia's. */
function noise(length: number): Bytes {
  let state = 0x2545f491;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 255;
  });
}

function seal(changes: Partial<FrameSeal> = {}): FrameSeal {
  const key = Uint8Array.from({ length: 32 }, (_, index) => index);
  return { key, nonce: new Uint8Array(12).fill(9), associatedData: pages(40), ...changes };
}

/** The call takes over what it is given. */
function copyOf({ bytes, codec, sha256 }: PackedFrame): PackedFrame {
  return { bytes: new Uint8Array(bytes), codec, sha256 };
}

async function refusedFor(damage: FrameDamage, call: Promise<unknown>, message?: string): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof FrameDamaged, String(error));
    assert.equal(error.damage, damage, message);
    return true;
  });
}

function redigested(compute: Compute, packed: PackedFrame): PackedFrame {
  return { ...packed, sha256: compute.sha256(packed.bytes) };
}

/** One block as it is, in a frame that asks for a window of 2 to the power of `windowLog` bytes (RFC 8878, 3.1.1). */
function rawZstd(windowLog: number, block: Bytes): Bytes {
  const blockHeader = (block.byteLength << 3) | 1;
  const header = [0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3, blockHeader & 255, blockHeader >> 8, 0];
  return concat([Uint8Array.from(header), block]);
}

export function framesSuite(name: string, createFixture: CreateFixture): void {
  const promise = promises(`${name} compute`, createFixture);
  const sizes = [1, 63, PAGE_BYTES, 5 * PAGE_BYTES, 200 * KIB + 1, FRAME_BYTES_MAX];

  promise('gives back what it packed, of any size, sealed and not', async ({ env: { compute } }) => {
    for (const size of sizes) {
      for (const original of [pages(size), noise(size), new Uint8Array(size)]) {
        for (const sealing of [null, seal()]) {
          const packed = await compute.packFrame(new Uint8Array(original), sealing);
          assert.equal(packed.sha256, compute.sha256(packed.bytes));
          assert.ok(packed.bytes.byteLength <= PACKED_FRAME_BYTES_MAX);
          const raw = await compute.unpackFrame(packed, size, sealing);
          assert.ok(compute.isEqual(raw, original), `${size} bytes`);
        }
      }
    }
  });

  promise('compresses by zstd what shrinks, and stores the rest as it is', async ({ env: { compute } }) => {
    const shrinking = await compute.packFrame(pages(FRAME_BYTES_MAX), null);
    assert.equal(shrinking.codec, 'zstd');
    assert.ok(shrinking.bytes.byteLength < FRAME_BYTES_MAX / 2);
    assert.ok(compute.isEqual(zstdDecompressSync(shrinking.bytes), pages(FRAME_BYTES_MAX)));
    const stored = await compute.packFrame(noise(FRAME_BYTES_MAX), null);
    assert.equal(stored.codec, 'stored');
    assert.ok(compute.isEqual(stored.bytes, noise(FRAME_BYTES_MAX)));
    const sealed = await compute.packFrame(noise(FRAME_BYTES_MAX), seal());
    assert.equal(sealed.bytes.byteLength, FRAME_BYTES_MAX + SEAL_BYTES);
  });

  promise('takes its bytes over, and copies those of a part of a buffer', async ({ env: { compute } }) => {
    const whole = pages(PAGE_BYTES);
    const packing = compute.packFrame(whole, null);
    assert.equal(whole.byteLength, 0);
    const packed = await packing;
    const around = concat([pages(7), packed.bytes, pages(9)]);
    const part = around.subarray(7, 7 + packed.bytes.byteLength);
    const unpacking = compute.unpackFrame({ ...packed, bytes: part }, PAGE_BYTES, null);
    around.fill(0);
    assert.ok(compute.isEqual(await unpacking, pages(PAGE_BYTES)));
  });

  promise('works on many frames at a time', async ({ env: { compute } }) => {
    assert.ok(compute.framesAtOnce >= 2);
    compute.prepareFrames();
    const salts = Array.from({ length: 5 * compute.framesAtOnce }, (_, index) => index);
    const packed = await Promise.all(salts.map((salt) => compute.packFrame(pages(64 * KIB, salt), seal())));
    const raw = await Promise.all(packed.map((frame) => compute.unpackFrame(frame, 64 * KIB, seal())));
    for (const salt of salts) assert.deepEqual(raw[salt], pages(64 * KIB, salt));
  });

  promise('tells changed bytes by their digest', async ({ env: { compute } }) => {
    for (const sealing of [null, seal()]) {
      const packed = await compute.packFrame(pages(PAGE_BYTES), sealing);
      for (const index of [0, packed.bytes.byteLength >> 1, packed.bytes.byteLength - 1]) {
        const flipped = copyOf(packed);
        flipped.bytes.set([(packed.bytes[index] ?? 0) ^ 1], index);
        await refusedFor('digest', compute.unpackFrame(flipped, PAGE_BYTES, sealing));
      }
      const cut = { ...packed, bytes: packed.bytes.slice(0, -1) };
      await refusedFor('digest', compute.unpackFrame(cut, PAGE_BYTES, sealing));
    }
  });

  promise('opens with the same key, nonce, place and size only', async ({ env: { compute } }) => {
    const packed = await compute.packFrame(pages(PAGE_BYTES), seal());
    const others = [
      seal({ key: new Uint8Array(32) }),
      seal({ nonce: new Uint8Array(12) }),
      seal({ associatedData: pages(39) }),
    ];
    for (const other of others)
      await refusedFor('seal', compute.unpackFrame(copyOf(packed), PAGE_BYTES, other));
    await refusedFor('seal', compute.unpackFrame(copyOf(packed), PAGE_BYTES - 1, seal()));
    await refusedFor('seal', compute.unpackFrame({ ...copyOf(packed), codec: 'stored' }, PAGE_BYTES, seal()));
    const plain = await compute.packFrame(pages(PAGE_BYTES), null);
    await refusedFor('seal', compute.unpackFrame(copyOf(plain), PAGE_BYTES, seal()));
    await refusedFor('contents', compute.unpackFrame(copyOf(packed), PAGE_BYTES, null));
    for (let index = 0; index < packed.bytes.byteLength; index += 1) {
      const forged = copyOf(packed);
      forged.bytes.set([(packed.bytes[index] ?? 0) ^ 128], index);
      await refusedFor('seal', compute.unpackFrame(redigested(compute, forged), PAGE_BYTES, seal()));
    }
    assert.deepEqual(await compute.unpackFrame(packed, PAGE_BYTES, seal()), pages(PAGE_BYTES));
  });

  promise('refuses what is not a frame of that size, bombs too', async ({ env: { compute } }) => {
    const frame = (bytes: Bytes): PackedFrame => redigested(compute, { bytes, codec: 'zstd', sha256: '' });
    const compressed = (bytes: Bytes): Bytes => new Uint8Array(zstdCompressSync(bytes));
    const bad = {
      nothing: new Uint8Array(0),
      noise: noise(500),
      'too long': compressed(pages(PAGE_BYTES + 1)),
      'too short': compressed(pages(PAGE_BYTES - 1)),
      'cut short': compressed(pages(PAGE_BYTES)).slice(0, -2),
      'more than one': concat([compressed(pages(PAGE_BYTES)), compressed(pages(1))]),
      'a bomb': compressed(new Uint8Array(64 * FRAME_BYTES_MAX)),
      'a window of 128 MiB': rawZstd(27, pages(PAGE_BYTES)),
      'larger than any frame': new Uint8Array(PACKED_FRAME_BYTES_MAX + 1),
    };
    for (const [what, bytes] of Object.entries(bad))
      await refusedFor('contents', compute.unpackFrame(frame(bytes), PAGE_BYTES, null), what);
    const small = rawZstd(12, pages(PAGE_BYTES));
    assert.deepEqual(await compute.unpackFrame(frame(small), PAGE_BYTES, null), pages(PAGE_BYTES));
    const stored = redigested(compute, { bytes: pages(PAGE_BYTES), codec: 'stored', sha256: '' });
    await refusedFor('contents', compute.unpackFrame(stored, PAGE_BYTES + 1, null));
  });

  promise('gives each buffer for a frame to one', async ({ env: { compute } }) => {
    const originals = [pages(FRAME_BYTES_MAX), noise(FRAME_BYTES_MAX), pages(FRAME_BYTES_MAX, 3)];
    const packed: PackedFrame[] = [];
    for (let round = 0; round < 3; round += 1) {
      const buffers = originals.map(() => compute.frameBuffer());
      assert.equal(new Set(buffers.map(({ buffer }) => buffer)).size, originals.length);
      const packing = originals.map((original, index) => {
        const buffer = buffers[index] ?? new Uint8Array(0);
        assert.equal(buffer.byteLength, FRAME_BYTES_MAX);
        buffer.set(original);
        const call = compute.packFrame(buffer, null);
        assert.equal(buffer.byteLength, 0);
        return call;
      });
      packed.push(...(await Promise.all(packing)));
    }
    // Also those that are stored as they came.
    for (const [index, frame] of packed.entries()) {
      const raw = await compute.unpackFrame(frame, FRAME_BYTES_MAX, null);
      assert.ok(compute.isEqual(raw, originals[index % originals.length] ?? raw.subarray(1)));
    }
  });

  promise('unpacks to places of a file: parts, in any order, again and again', async ({ env, directory }) => {
    const { compute, files } = env;
    const raw = noise(3 * PAGE_BYTES + 5);
    const file = await files.open(`${directory}/target`, 'w');
    await file.truncate(9 * PAGE_BYTES);
    const places = [
      { start: PAGE_BYTES, length: 2 * PAGE_BYTES, offset: 5 * PAGE_BYTES },
      { start: 3 * PAGE_BYTES, length: 5, offset: 7 * PAGE_BYTES },
      { start: 0, length: PAGE_BYTES, offset: 2 * PAGE_BYTES },
      { start: 0, length: PAGE_BYTES, offset: 3 * PAGE_BYTES },
    ];
    const expected = new Uint8Array(9 * PAGE_BYTES);
    for (const { start, length, offset } of places) expected.set(raw.subarray(start, start + length), offset);
    for (const sealing of [null, seal()]) {
      const packed = await compute.packFrame(new Uint8Array(raw), sealing);
      await compute.unpackFrameTo({ file, places }, packed, raw.byteLength, sealing);
    }
    await compute.unpackFrameTo({ file, places: [] }, await compute.packFrame(pages(9), null), 9, null);
    await file.close();
    assert.deepEqual(await files.readFile(`${directory}/target`, MIB), expected);
  });

  promise('writes nothing of a damaged frame, and tells what a file refuses', async ({ env, directory }) => {
    const { compute, files } = env;
    const path = `${directory}/target`;
    const file = await files.open(path, 'w');
    const places = [{ start: 0, length: PAGE_BYTES, offset: 0 }];
    const packed = await compute.packFrame(pages(PAGE_BYTES), null);
    const damaged = { ...copyOf(packed), sha256: '00'.repeat(32) };
    await refusedFor('digest', compute.unpackFrameTo({ file, places }, damaged, PAGE_BYTES, null));
    const wrong = compute.unpackFrameTo({ file, places }, copyOf(packed), PAGE_BYTES - 1, null);
    await refusedFor('contents', wrong);
    await file.close();
    assert.equal((await files.stat(path)).sizeBytes, 0);
    const readOnly = await files.open(path, 'r');
    await assert.rejects(
      compute.unpackFrameTo({ file: readOnly, places }, packed, PAGE_BYTES, null),
      (error) => isSystemError(error, 'EBADF'),
    );
    await readOnly.close();
  });

  promise('asserts the bounds of what it is given', async ({ env: { compute } }) => {
    for (const size of [0, FRAME_BYTES_MAX + 1]) {
      await assert.rejects(compute.packFrame(new Uint8Array(size), null), /assertion failed/);
      const packed = redigested(compute, { bytes: pages(9), codec: 'stored', sha256: '' });
      await assert.rejects(compute.unpackFrame(packed, size, null), /assertion failed/);
    }
    for (const bad of [
      seal({ key: pages(31) }),
      seal({ nonce: pages(13) }),
      seal({ associatedData: pages(257) }),
    ])
      await assert.rejects(compute.packFrame(pages(9), bad), /assertion failed/);
  });
}
