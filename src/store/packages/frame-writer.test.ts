import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { quickCompute } from '../../../test/support/quick-compute.ts';
import { patternBytes, sha256 } from '../../../test/support/sample-package.ts';
import { sampleSession } from '../../../test/support/sample-maps.ts';
import type { Bytes } from '../../base/bytes.ts';
import { TaskGroup } from '../../base/task-group.ts';
import { MIB } from '../../base/units.ts';
import type { Compute } from '../../env/compute.ts';
import type { PutOutcome } from '../objects/object-store.ts';
import { FrameWriter } from './frame-writer.ts';
import { PACK_FRAMES_MAX, TRANSFER_BYTES_MAX } from './limits.ts';
import { PACK_HEADER_BYTES, checkPackHeader } from './pack-header.ts';
import { parsePackText } from './pack-name.ts';
import { plainSealing } from './sealing.ts';

const session = sampleSession(1);
const turn = async (): Promise<void> => await new Promise(setImmediate);

/** Packs that were put, by their names; each put waits for `gate`. */
class Packs {
  readonly put: Map<string, Bytes> = new Map();
  gate: Promise<void> = Promise.resolve();
  putting = 0;
  outcome: PutOutcome = { result: 'written', etag: 'etag' };

  readonly url = 'memory:';

  async putIfAbsent(key: string, bytes: Bytes): Promise<PutOutcome> {
    this.putting += 1;
    await this.gate;
    this.putting -= 1;
    this.put.set(key.slice('packs/'.length), bytes.slice());
    return this.outcome;
  }
}

function writerOf(packs: Packs, compute: Compute, group: TaskGroup = new TaskGroup()): FrameWriter {
  const onDurable = async (): Promise<void> => undefined;
  return new FrameWriter({ compute }, { objects: packs, sealing: plainSealing, session, group, onDurable });
}

/** Takes its time in another order each call. */
function dawdling(inner: Compute): Compute {
  let calls = 0;
  return {
    ...inner,
    packFrame: async (raw, seal) => {
      calls += 1;
      for (let turns = (calls * 7) % 5; turns > 0; turns -= 1) await turn();
      return await inner.packFrame(raw, seal);
    },
  };
}

describe('FrameWriter', () => {
  it('lays frames out in their order, whatever order they are packed in', async () => {
    const packs = new Packs();
    const writer = writerOf(packs, dawdling(quickCompute()));
    const raws = Array.from({ length: 2 * PACK_FRAMES_MAX + 3 }, (_, index) =>
      patternBytes(100 + index, index),
    );
    for (const [index, raw] of raws.entries()) assert.equal(await writer.add(raw.slice()), index);
    await writer.packed();
    assert.equal(writer.durable(raws.length - 1), null, 'the last pack is not put yet');
    await writer.flush();
    assert.equal(packs.put.size, 3);
    for (const [name, bytes] of packs.put) {
      const pack = parsePackText(name);
      assert.ok(pack !== null);
      checkPackHeader(bytes, pack);
    }
    for (const [index, raw] of raws.entries()) {
      const info = writer.durable(index);
      assert.ok(info !== null);
      assert.deepEqual(info.pack, { session, number: Math.floor(index / PACK_FRAMES_MAX) });
      assert.equal(info.number, index % PACK_FRAMES_MAX);
      const pack = packs.put.get(`${session}/${info.pack.number}`) ?? new Uint8Array(0);
      const bytes = pack.slice(info.offset, info.offset + info.storedBytes);
      assert.equal(sha256(bytes), info.sha256);
      const { codec } = info;
      const back = await quickCompute().unpackFrame(
        { bytes, codec, sha256: info.sha256 },
        info.rawBytes,
        null,
      );
      assert.deepEqual(Buffer.from(back), Buffer.from(raw));
    }
    assert.equal(
      writer.storedBytes,
      [...packs.put.values()].reduce((sum, { byteLength }) => sum + byteLength, 0),
    );
  });

  it('takes no more while a slow store holds as much as is allowed', async () => {
    const packs = new Packs();
    const { promise, resolve } = Promise.withResolvers<void>();
    packs.gate = promise;
    const stored: Compute = {
      ...quickCompute(),
      packFrame: async (raw) => ({ bytes: raw.slice(), codec: 'stored', sha256: 'ab'.repeat(32) }),
    };
    const writer = writerOf(packs, stored);
    const frames = 2 * Math.ceil(TRANSFER_BYTES_MAX / MIB);
    let taken = 0;
    const adding = (async (): Promise<void> => {
      for (; taken < frames; taken += 1) await writer.add(new Uint8Array(MIB));
    })();
    for (let turns = 0; turns < 100; turns += 1) await turn();
    const heldFramesMax = TRANSFER_BYTES_MAX / MIB + stored.framesAtOnce + 2;
    assert.ok(taken <= heldFramesMax, `${taken} frames were taken`);
    assert.ok(packs.putting > 1, 'several packs are put at once');
    resolve();
    await adding;
    await writer.flush();
    assert.equal(packs.put.size, frames / PACK_FRAMES_MAX);
  });

  it('puts a pack that was ended early, and goes on with the next', async () => {
    const packs = new Packs();
    const writer = writerOf(packs, quickCompute());
    await writer.flush();
    assert.equal(packs.put.size, 0, 'an empty pack is none');
    await writer.add(Uint8Array.of(1));
    await writer.flush();
    await writer.flush();
    await writer.add(Uint8Array.of(2));
    await writer.flush();
    assert.deepEqual([...packs.put.keys()], [`${session}/0`, `${session}/1`]);
    assert.deepEqual([writer.info(0).offset, writer.info(1).offset], [PACK_HEADER_BYTES, PACK_HEADER_BYTES]);
  });

  it('does not take a name for its own that was there', async () => {
    const packs = new Packs();
    packs.outcome = { result: 'refused' };
    const group = new TaskGroup();
    const writer = writerOf(packs, quickCompute(), group);
    await writer.add(Uint8Array.of(1));
    await assert.rejects(writer.flush(), { code: 'store_conflict' });
    assert.equal(writer.durable(0), null);
  });
});
