import assert from 'node:assert/strict';
import { fromHex, fromUtf8, hex, utf8 } from '../../src/base/bytes.ts';
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

  promise(
    'wakes who sleeps for a shorter time before who slept already for a longer one',
    async ({ env: { clock } }) => {
      const woken: number[] = [];
      const abort = new AbortController();
      // So far apart that a machine which stands still between the two changes nothing.
      const sleepers = [600_000, 10].map(async (durationMs) => {
        await clock.sleep(durationMs, abort.signal);
        woken.push(durationMs);
      });
      await sleepers[1];
      assert.deepEqual(woken, [10]);
      abort.abort(new Error('enough'));
      await assert.rejects(Promise.all(sleepers), /enough/);
    },
  );

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
    // Whoever reads both may be kept waiting in between.
    const look = (): { wall: number; before: number; after: number } => {
      const before = clock.monotonicMs();
      const wall = clock.wallMs();
      return { before, wall, after: clock.monotonicMs() };
    };
    const first = look();
    await clock.sleep(50);
    const second = look();
    const passed = second.wall - first.wall;
    assert.ok(passed > second.before - first.after - 5, String(passed));
    assert.ok(passed < second.after - first.before + 5, String(passed));
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

  promise('derives keys as RFC 5869 says', async ({ env: { compute } }) => {
    // Test case 1, of which 32 of 42 bytes.
    const key = compute.hkdfSha256(
      new Uint8Array(22).fill(0x0b),
      fromHex('000102030405060708090a0b0c'),
      fromHex('f0f1f2f3f4f5f6f7f8f9'),
    );
    assert.equal(hex(key), '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf');
  });

  promise('seals as AES-256-GCM does, and opens what was sealed so', async ({ env: { compute } }) => {
    // Test case 16 of the specification by McGrew and Viega.
    const seal = {
      key: fromHex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308'),
      nonce: fromHex('cafebabefacedbaddecaf888'),
      associatedData: fromHex('feedfacedeadbeeffeedfacedeadbeefabaddad2'),
    };
    const plain = fromHex(
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    );
    const sealed = compute.seal(plain, seal);
    assert.equal(
      hex(sealed),
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
    );
    assert.deepEqual(compute.open(sealed, seal), plain);
    assert.equal(compute.open(sealed, { ...seal, nonce: new Uint8Array(12) }), null);
    for (let index = 0; index < sealed.byteLength; index += 1) {
      assert.equal(compute.open(sealed.subarray(0, index), seal), null);
      assert.equal(
        compute.open(
          sealed.map((byte, at) => (at === index ? byte ^ 1 : byte)),
          seal,
        ),
        null,
      );
    }
    assert.deepEqual(compute.open(compute.seal(new Uint8Array(0), seal), seal), new Uint8Array(0));
  });

  promise('signs as RFC 8032 says', async ({ env: { compute } }) => {
    // Section 7.1, test 2.
    const seed = fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb');
    const publicKey = compute.ed25519PublicKey(seed);
    assert.equal(hex(publicKey), '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c');
    const message = fromHex('72');
    const signature = compute.ed25519Sign(seed, message);
    assert.equal(
      hex(signature),
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    );
    assert.ok(compute.ed25519Verify(publicKey, message, signature));
    assert.ok(!compute.ed25519Verify(publicKey, fromHex('73'), signature));
    assert.ok(!compute.ed25519Verify(publicKey, message, signature.subarray(1)));
    assert.ok(!compute.ed25519Verify(publicKey.subarray(1), message, signature));
    assert.ok(!compute.ed25519Verify(seed, message, signature));
  });
}
