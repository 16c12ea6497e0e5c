import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError, KelpieError } from '../../base/errors.ts';
import { GIB, KIB } from '../../base/units.ts';
import { explainSave } from './explain-save.ts';

const refusal = new KelpieError(
  'vm_backend_failed',
  'QEMU refused xen-save-devices-state: An IO error has occurred.',
  {
    data: { command: 'xen-save-devices-state', description: 'An IO error has occurred' },
  },
);

async function explained(freeBytes: number, error: unknown): Promise<unknown> {
  return await explainSave({ freeBytes: async () => freeBytes }, '/blobs', error);
}

test('a state that finds no room is told as a full disk, by a sentence', async () => {
  const full = await explained(200 * KIB, refusal);
  assert.ok(isKelpieError(full, 'disk_full'));
  assert.match(full.message, /this host's disk is full; free some space and try again\.$/);
});

test('where there is room QEMU is quoted', async () => {
  const failed = await explained(GIB, refusal);
  assert.ok(isKelpieError(failed, 'snapshot_failed'));
  assert.match(failed.message, /: QEMU refused xen-save-devices-state: An IO error has occurred\.$/);
});

test('what is no refusal stays what it is', async () => {
  for (const error of [
    new KelpieError('vm_crashed', 'QEMU has ended.'),
    new KelpieError('vm_backend_failed', 'the connection to QEMU was lost.'),
  ])
    assert.equal(await explained(0, error), error);
});
