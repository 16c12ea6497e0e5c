import assert from 'node:assert/strict';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import { promises } from './with-fixture.ts';
import type { CreateFixture } from './env-suite.ts';

export function clockSuite(name: string, createFixture: CreateFixture): void {
  const promise = promises(`${name} clock`, createFixture);

  promise('sleeps at least as long as asked', async ({ env: { clock } }) => {
    for (const durationMs of [0, 0.4, 1, 7.5, 20]) {
      const before = clock.monotonicMs();
      await clock.sleep(durationMs);
      assert.ok(clock.monotonicMs() - before >= durationMs);
    }
  });

  promise('wakes sleepers in the order of their times', async ({ env: { clock } }) => {
    const woken: number[] = [];
    const sleepers = [30, 10, 20].map(async (durationMs) => {
      await clock.sleep(durationMs);
      woken.push(durationMs);
    });
    await Promise.all(sleepers);
    assert.deepEqual(woken, [10, 20, 30]);
  });

  promise('throws the reason of its signal at once', async ({ env: { clock } }) => {
    const reason = new Error('enough');
    await assert.rejects(clock.sleep(60_000, AbortSignal.abort(reason)), reason);
    const abort = new AbortController();
    const sleeping = clock.sleep(60_000, abort.signal);
    await clock.sleep(1);
    abort.abort(reason);
    await assert.rejects(sleeping, reason);
  });

  promise('never goes back, and tells one wall time in both units', async ({ env: { clock } }) => {
    let last = clock.monotonicMs();
    for (let round = 0; round < 1000; round += 1) {
      const now = clock.monotonicMs();
      assert.ok(now >= last);
      last = now;
    }
    const before = clock.wallMs();
    const middle = Number(clock.wallNs() / 1000n) / 1000;
    const after = clock.wallMs();
    assert.ok(before <= middle && middle <= after, `${before} ${middle} ${after}`);
  });

  promise('moves wall and monotonic time alike', async ({ env: { clock } }) => {
    const wall = clock.wallMs();
    const monotonic = clock.monotonicMs();
    await clock.sleep(50);
    assert.ok(Math.abs(clock.wallMs() - wall - (clock.monotonicMs() - monotonic)) < 5);
  });
}

export function randomSuite(name: string, createFixture: CreateFixture): void {
  const promise = promises(`${name} random`, createFixture);

  promise('gives bytes, UUIDs and fractions that do not repeat', async ({ env: { random } }) => {
    assert.equal(random.bytes(0).byteLength, 0);
    assert.equal(random.bytes(33).byteLength, 33);
    assert.notDeepEqual(random.bytes(16), random.bytes(16));
    assert.match(random.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.notEqual(random.uuid(), random.uuid());
    for (let round = 0; round < 100; round += 1) {
      const fraction = random.fraction();
      assert.ok(fraction >= 0 && fraction < 1);
    }
  });
}

export function computeSuite(name: string, createFixture: CreateFixture): void {
  const promise = promises(`${name} compute`, createFixture);
  const abcDigest = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

  promise('hashes as FIPS 180-4 says, in one go and in parts', async ({ env: { compute } }) => {
    assert.equal(compute.sha256(utf8('abc')), abcDigest);
    const hasher = compute.sha256Hasher();
    for (const letter of 'abc') hasher.update(utf8(letter));
    assert.equal(hasher.digest(), abcDigest);
  });

  promise('has the check value of CRC-32, also continued', async ({ env: { compute } }) => {
    const check = utf8('123456789');
    assert.equal(compute.crc32(check), 0xcbf43926);
    assert.equal(compute.crc32(check.subarray(4), compute.crc32(check.subarray(0, 4))), 0xcbf43926);
  });

  promise('finds the one byte that is not zero, wherever it is', async ({ env: { compute } }) => {
    for (const length of [0, 1, 7, 4095, 4096, 4097, 65_536, 200_001]) {
      const bytes = new Uint8Array(length);
      assert.ok(compute.isZero(bytes));
      for (const index of [0, 1, length >> 1, length - 1]) {
        if (index < 0 || index >= length) continue;
        bytes[index] = 1;
        assert.ok(!compute.isZero(bytes), `byte ${index} of ${length}`);
        assert.ok(!compute.isEqual(bytes, new Uint8Array(length)));
        bytes[index] = 0;
      }
    }
  });

  promise('compares contents, not objects, and knows lengths apart', async ({ env: { compute } }) => {
    assert.ok(compute.isEqual(utf8('xab').subarray(1), utf8('ab')));
    assert.ok(!compute.isEqual(utf8('ab'), utf8('abc')));
    assert.ok(compute.isEqual(new Uint8Array(), new Uint8Array()));
    assert.equal(fromUtf8(utf8('ü')), 'ü');
  });
}
