import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleRecord } from '../../test/support/ownership-suite.ts';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { isKelpieError } from '../base/errors.ts';
import { encodeOwnershipRecord, parseOwnershipRecord } from './ownership-codec.ts';
import { LEASE_MS_MAX, LEASE_MS_MIN } from './limits.ts';

const { vmId, vmName } = sampleRecord(1);
const packageId = 'cd'.repeat(32);
const common = { vmId, vmName, epoch: 3, revision: 7, changedAtUnixMs: 1, hostName: 'laptop' };

test('records of the first format are read: without a lease, and without the package that a running VM came from', () => {
  const read = (state: object): unknown =>
    parseOwnershipRecord(utf8(JSON.stringify({ formatVersion: 1, ...common, ...state })), vmId);
  assert.deepEqual(read({ state: 'running', owner: 'a' }), {
    ...common,
    state: 'running',
    owner: 'a',
    packageId: null,
    lease: null,
  });
  assert.deepEqual(read({ state: 'departing', owner: 'a', packageId }), {
    ...common,
    state: 'departing',
    owner: 'a',
    packageId,
    lease: null,
  });
  assert.deepEqual(read({ state: 'at-rest', packageId }), {
    ...common,
    state: 'at-rest',
    packageId,
    reclaimedFrom: null,
  });
});

test('what is written is of the second format, which older programs refuse as newer', () => {
  assert.match(fromUtf8(encodeOwnershipRecord(sampleRecord(1))), /"formatVersion":2/);
});

test('a lease that no host could keep is refused', () => {
  for (const durationMs of [0, LEASE_MS_MIN - 1, LEASE_MS_MAX + 1]) {
    const record = {
      ...sampleRecord(1),
      state: 'running',
      owner: 'a',
      packageId: null,
      lease: { durationMs },
    } as const;
    assert.throws(
      () => encodeOwnershipRecord(record),
      (error) => isKelpieError(error, 'package_corrupt'),
    );
  }
});
