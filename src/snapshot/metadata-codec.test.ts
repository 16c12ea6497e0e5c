import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { sampleConfig, sampleMetadata } from '../../test/support/sample-package.ts';
import { utf8 } from '../base/bytes.ts';
import { isKelpieError } from '../base/errors.ts';
import type { ErrorCode } from '../base/error-codes.ts';
import { encodeSnapshotMetadata, parseSnapshotMetadata } from './metadata-codec.ts';

function refused(document: unknown, code: ErrorCode = 'snapshot_corrupt'): void {
  const bytes = typeof document === 'string' ? utf8(document) : utf8(JSON.stringify(document));
  assert.throws(
    () => parseSnapshotMetadata(bytes),
    (error) => isKelpieError(error, code),
    JSON.stringify(document),
  );
}

test('metadata is read as it was written, and has one text', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.nat(),
      fc.boolean(),
      (message, createdAtUnixMs, isFirst) => {
        const parentId = isFirst ? null : sampleMetadata.vmId;
        const metadata = { ...sampleMetadata, message, createdAtUnixMs, parentId };
        const bytes = encodeSnapshotMetadata(metadata);
        assert.deepEqual(parseSnapshotMetadata(bytes), metadata);
        const shuffled = { ...Object.fromEntries(Object.entries(metadata).toReversed()), ...metadata };
        assert.deepEqual(encodeSnapshotMetadata(shuffled), bytes);
      },
    ),
  );
});

test('a newer format is told from a broken one, whatever else it has', () => {
  refused({ formatVersion: 2 }, 'package_too_new');
  refused({ ...sampleMetadata, formatVersion: 3, extra: 1 }, 'package_too_new');
  refused({ ...sampleMetadata, formatVersion: 0 });
  refused({ ...sampleMetadata, formatVersion: '1' });
  refused({});
});

test('what is no metadata is refused', () => {
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '1',
    '"x"',
    '['.repeat(50_000),
    `{"formatVersion":1,"a":"${'x'.repeat(70_000)}"}`,
  ])
    refused(text);
  assert.throws(
    () => parseSnapshotMetadata(Uint8Array.of(0xff, 0xfe)),
    (error) => isKelpieError(error, 'snapshot_corrupt'),
  );
});

const { machine, guest } = sampleMetadata;
const lies: Readonly<Record<string, unknown>> = {
  'a missing field': { ...sampleMetadata, kind: undefined },
  'a field more': { ...sampleMetadata, extra: 1 },
  'a path as an id': { ...sampleMetadata, snapshotId: '../../../etc/passwd' },
  'an id in upper case': { ...sampleMetadata, vmId: sampleMetadata.vmId.toUpperCase() },
  'another kind': { ...sampleMetadata, kind: 'other' },
  'a long message': { ...sampleMetadata, message: 'x'.repeat(4097) },
  'a time with a fraction': { ...sampleMetadata, createdAtUnixMs: 1.5 },
  'a negative time': { ...sampleMetadata, createdAtUnixMs: -1 },
  'a name with a slash': { ...sampleMetadata, config: { ...sampleConfig, name: 'a/b' } },
  'no memory': { ...sampleMetadata, config: { ...sampleConfig, memoryMib: 0 } },
  'too much memory': { ...sampleMetadata, config: { ...sampleConfig, memoryMib: 2 ** 40 } },
  'a port of no host': {
    ...sampleMetadata,
    config: { ...sampleConfig, publish: [{ hostPort: 65_536, guestPort: 1 }] },
  },
  'an image version': {
    ...sampleMetadata,
    config: { ...sampleConfig, image: { ...sampleConfig.image, version: '1.0' } },
  },
  'a digest': {
    ...sampleMetadata,
    config: { ...sampleConfig, image: { ...sampleConfig.image, digest: 'ab' } },
  },
  'options in the machine type': {
    ...sampleMetadata,
    machine: { ...machine, machineType: 'pc-q35-7.2,accel=kvm' },
  },
  'an option as the CPU model': { ...sampleMetadata, machine: { ...machine, cpuModel: '-device' } },
  'control characters in a version': {
    ...sampleMetadata,
    machine: { ...machine, backendVersion: '7.2\u001B[2J' },
  },
  'a generation below zero': { ...sampleMetadata, guest: { ...guest, generation: -1 } },
  'a format version by way of a prototype': '{"__proto__":{"formatVersion":1},"kind":"teleport"}',
};
for (const [name, document] of Object.entries(lies)) test(`refused: ${name}`, () => refused(document));
