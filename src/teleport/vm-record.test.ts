import assert from 'node:assert/strict';
import test from 'node:test';
import { isPausedByLease } from './vm-record.ts';
import type { HeldRight, VmRecord } from './vm-record.ts';

function isPaused(state: VmRecord['state'], leasePause: HeldRight['leasePause']): boolean {
  return isPausedByLease({ state, ownership: { storeUrl: '/store', epoch: 1, leaseMs: 20_000, leasePause } });
}

test('what a lease has paused waits for it for as long as there is something that can go on', () => {
  assert.ok(isPaused('paused', 'paused'));
  assert.ok(isPaused('running', 'ending'), 'about to go on');
  assert.ok(!isPaused('paused', 'none'), 'a person’s pause');
  for (const state of ['crashed', 'stopped', 'suspended'] as const)
    assert.ok(!isPaused(state, 'paused'), `${state} is ${state}`);
  assert.ok(!isPausedByLease({ state: 'paused', ownership: null }));
});
