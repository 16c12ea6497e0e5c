import assert from 'node:assert/strict';
import test from 'node:test';
import { AssertionFailed, assert as ensure, defined } from './assert.ts';
import { errorCodes, isErrorCode } from './error-codes.ts';
import { asError, asKelpieError, isKelpieError, KelpieError } from './errors.ts';
import { canceledError, throwIfCanceled } from './cancel.ts';

test('codes are told from other strings, also from those that every object has', () => {
  assert.ok(isErrorCode('vm_not_found'));
  for (const other of ['', 'VM_NOT_FOUND', 'toString', '__proto__', 7, null, undefined]) {
    assert.ok(!isErrorCode(other), String(other));
  }
});

test('every code has an exit status that a shell can tell from success, and an HTTP status of failure', () => {
  for (const [code, { exit, http }] of Object.entries(errorCodes)) {
    assert.match(code, /^[a-z]+(_[a-z]+)*$/);
    assert.ok(exit > 1 && exit < 255, `${code} exits with ${exit}`);
    assert.ok(http >= 400 && http < 600, `${code} is answered with ${http}`);
  }
});

test('an error keeps its code, sentence, data and cause', () => {
  const cause = new Error('ENOSPC');
  const error = new KelpieError('disk_full', 'The disk is full.', { cause, data: { freeBytes: 0 } });
  assert.equal(error.cause, cause);
  assert.deepEqual(error.data, { freeBytes: 0 });
  assert.ok(isKelpieError(error));
  assert.ok(isKelpieError(error, 'io_failed', 'disk_full'));
  assert.ok(!isKelpieError(error, 'io_failed'));
  assert.ok(!isKelpieError(cause));
  assert.ok(!('cause' in new KelpieError('internal', 'It failed.')));
});

test('the first, most exact sentence is the one that stays', () => {
  const exact = new KelpieError('image_corrupt', 'The kernel of base 1.0.0 is damaged.');
  assert.equal(asKelpieError(exact, 'vm_start_failed', 'The VM did not start.'), exact);
  const told = asKelpieError('odd', 'vm_start_failed', 'The VM did not start.');
  assert.equal(told.code, 'vm_start_failed');
  assert.equal(told.cause, 'odd');
  assert.equal(asError('odd').message, 'odd');
  assert.equal(asError(exact), exact);
});

test('our own mistakes are not the errors of the world', () => {
  assert.throws(() => ensure(false, 'what must hold'), AssertionFailed);
  assert.throws(() => defined(null, 'the VM'), /the VM is missing/);
  assert.equal(defined(0, 'a number'), 0);
  assert.ok(!isKelpieError(new AssertionFailed('x')));
});

test('an act that was canceled says by whom', () => {
  const reason = new KelpieError('timeout', 'The guest did not answer in 10 s.');
  assert.equal(canceledError(AbortSignal.abort(reason), 'Publishing'), reason);
  const plain = canceledError(AbortSignal.abort(), 'Publishing');
  assert.equal(plain.code, 'canceled');
  assert.equal(plain.message, 'Publishing was canceled.');
  throwIfCanceled(undefined, 'Publishing');
  throwIfCanceled(new AbortController().signal, 'Publishing');
  assert.throws(() => throwIfCanceled(AbortSignal.abort(reason), 'Publishing'), reason);
});
