/** The small formats of a store: pack headers, names, pins, the root, tables of long streams. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { hex, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/error-codes.ts';
import { frames, sampleFrame, sampleSession } from '../../../test/support/sample-maps.ts';
import { sampleStream } from '../../../test/support/sample-manifest.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { MemoryObjects } from '../objects/memory/memory-objects.ts';
import { decodeFrameTable, encodeFrameTable } from './frame-table-codec.ts';
import { compareFrames } from './frame-table.ts';
import { checkPackHeader, encodePackHeader } from './pack-header.ts';
import { packKey, packText, parsePackText } from './pack-name.ts';
import { encodePin, parsePin } from './pin.ts';
import { encodeStoreRoot, ensureStoreRoot, parseStoreRoot, readStoreRoot } from './store-root.ts';
import { listedFrames } from './stored-stream.ts';

const name = { session: sampleSession(3), number: 258 };

function refused(act: () => unknown, code: ErrorCode, reason: RegExp): void {
  assert.throws(act, (error) => isKelpieError(error, code) && reason.test(error.message));
}

/** Every truncation and every flipped bit of `bytes` is refused, whatever else holds. */
function holdsAgainstDamage(bytes: Bytes, parse: (bytes: Bytes) => unknown): void {
  const isRefusal = (error: unknown): boolean => isKelpieError(error, 'package_corrupt', 'package_too_new');
  for (let index = 0; index < bytes.byteLength; index += 1) {
    assert.throws(() => parse(bytes.subarray(0, index)), isRefusal);
    const flipped = bytes.slice();
    flipped[index] = (flipped[index] ?? 0) ^ (1 << (index % 8));
    assert.throws(() => parse(flipped), isRefusal);
  }
}

describe('packs', () => {
  it('begin with their name', () => {
    const bytes = encodePackHeader(name);
    assert.equal(hex(bytes), `4b4c504b01000000${'ab'.repeat(12)}0000000302010000`);
    checkPackHeader(bytes, name);
    holdsAgainstDamage(bytes, (damaged) => checkPackHeader(damaged, name));
    refused(() => checkPackHeader(bytes, { ...name, number: 1 }), 'package_corrupt', /another pack/);
    refused(
      () => checkPackHeader(bytes, { ...name, session: sampleSession(4) }),
      'package_corrupt',
      /another pack/,
    );
  });

  it('are named in one way', () => {
    assert.equal(packKey(name), `packs/${sampleSession(3)}/258`);
    assert.deepEqual(parsePackText(packText(name)), name);
    for (const text of [
      '',
      '/',
      `${name.session}/0258`,
      `${name.session}/`,
      `${name.session}/1e3`,
      `x/1`,
      `../1`,
    ])
      assert.equal(parsePackText(text), null);
  });
});

describe('tables of frames', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(frames, (unordered) => {
        const ordered = unordered.toSorted(compareFrames);
        const bytes = encodeFrameTable(ordered);
        assert.deepEqual(decodeFrameTable(bytes), ordered);
      }),
    );
  });

  it('are refused when they are cut, longer or newer, and stand for the same bytes otherwise', () => {
    const bytes = encodeFrameTable(
      [0, 1, 5].map((number) => sampleFrame({ session: 1, pack: 2, number }, 3)),
    );
    for (let length = 0; length < bytes.byteLength; length += 1)
      refused(
        () => decodeFrameTable(bytes.subarray(0, length)),
        'package_corrupt',
        /^a table of the package cannot be used/,
      );
    refused(() => decodeFrameTable(Uint8Array.of(...bytes, 0)), 'package_corrupt', /goes on/);
    for (let index = 0; index < bytes.byteLength; index += 1) {
      for (let value = 0; value < 256; value += 1) {
        const changed = bytes.slice();
        changed[index] = value;
        try {
          assert.deepEqual(encodeFrameTable(decodeFrameTable(changed)), changed);
        } catch (error) {
          assert.ok(isKelpieError(error, 'package_corrupt', 'package_too_new'), String(error));
        }
      }
    }
  });

  it('list in a manifest what leads to the stream', () => {
    const table = sampleStream([sampleFrame({ session: 1, pack: 0, number: 0 }, 1)]);
    assert.equal(listedFrames(table), table.frames);
    assert.equal(listedFrames({ sizeBytes: 5, sha256: table.sha256, table }), table.frames);
  });
});

describe('pins', () => {
  const pin = { startedAtUnixMs: 1_700_000_000_000, hostName: 'laptop', packs: [name] };

  it('are read as they were written, and refused otherwise', () => {
    const bytes = encodePin(pin);
    assert.deepEqual(parsePin(bytes, 'pins/a'), pin);
    refused(() => parsePin(bytes.subarray(1), 'pins/a'), 'package_corrupt', /^pins\/a cannot be used/);
    refused(() => parsePin(utf8('{"formatVersion":2}'), 'pins/a'), 'package_too_new', /format 2/);
    const strange = utf8('{"formatVersion":1,"hostName":"","packs":["../x"],"startedAtUnixMs":0}');
    refused(() => parsePin(strange, 'pins/a'), 'package_corrupt', /a pack that cannot be/);
  });
});

describe('the root of a store', () => {
  const random = {
    bytes: (length: number) => new Uint8Array(length),
    uuid: () => sampleSession(9),
    fraction: () => 0,
  };
  const objects = (): MemoryObjects => new MemoryObjects(createNodeEnv());

  it('is made once, by whoever comes first', async () => {
    const store = objects();
    assert.equal(await readStoreRoot(store), null);
    const [a, b] = await Promise.all([
      ensureStoreRoot({ random }, store, { recipients: ['a'] }),
      ensureStoreRoot({ random: { ...random, uuid: () => sampleSession(8) } }, store, null),
    ]);
    assert.deepEqual(a, b);
    assert.deepEqual(await ensureStoreRoot({ random }, store, null), a);
    assert.deepEqual(await readStoreRoot(store), a);
  });

  it('is refused in one sentence when it is damaged, newer, or of the version that never was', () => {
    const root = { storeId: sampleSession(1), keys: null };
    assert.deepEqual(parseStoreRoot(encodeStoreRoot(root), 'u'), root);
    refused(
      () => parseStoreRoot(utf8('{"formatVersion":1}'), 'u'),
      'store_unavailable',
      /^the store u was made by .*never released/,
    );
    refused(
      () => parseStoreRoot(utf8('{"formatVersion":3}'), 'u'),
      'package_too_new',
      /^the store u is of format 3/,
    );
    refused(
      () => parseStoreRoot(utf8('{"formatVersion":2}'), 'u'),
      'package_corrupt',
      /^the store u cannot be used/,
    );
    refused(
      () => parseStoreRoot(utf8('{'), 'u'),
      'package_corrupt',
      /^the store u cannot be used: it is not JSON/,
    );
  });
});
