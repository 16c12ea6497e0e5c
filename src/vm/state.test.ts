import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from '../base/errors.ts';
import { illegal, isLegal, transition } from './state.ts';
import type { VmState } from './state.ts';

const all: readonly VmState[] = ['created', 'starting', 'running', 'paused', 'stopped', 'crashed'];

test('every step between two states is either in the diagram or refused', () => {
  const legal = all.flatMap((from) => all.filter((to) => isLegal(from, to)).map((to) => `${from} → ${to}`));
  assert.deepEqual(legal, [
    ...['created → starting'],
    ...['starting → running', 'starting → paused', 'starting → stopped', 'starting → crashed'],
    ...['running → paused', 'running → stopped', 'running → crashed'],
    ...['paused → running', 'paused → stopped', 'paused → crashed'],
    ...['stopped → starting', 'crashed → starting'],
  ]);
});

test('a refusal names the VM, its state and the act', () => {
  assert.throws(
    () => transition('dev', 'stopped', 'paused', 'pause'),
    (error) =>
      isKelpieError(error, 'invalid_state') && error.message === 'cannot pause "dev": it is stopped.',
  );
});

test('whoever finds a VM asleep is told how it goes on', () => {
  const { code, message } = illegal('dev', 'suspended', 'run a command in');
  assert.equal(code, 'invalid_state');
  assert.equal(message, 'cannot run a command in "dev": it is suspended; `kelpie resume dev` lets it go on.');
});

test('whoever finds a VM crashed is told so, and what to do', () => {
  assert.match(
    illegal('dev', 'crashed', 'snapshot', 'its QEMU is gone.').message,
    /it crashed \(its QEMU is gone\); restore or start it\.$/,
  );
  assert.throws(
    () => transition('dev', 'crashed', 'paused', 'snapshot'),
    (error) =>
      isKelpieError(error, 'vm_crashed') &&
      error.message === 'cannot snapshot "dev": it crashed; restore or start it.',
  );
});
