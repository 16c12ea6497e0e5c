import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError, KelpieError } from '../base/errors.ts';
import { orUndo } from './undo.ts';

test('what succeeds is not undone', async () => {
  const done: string[] = [];
  const result = await orUndo(async (undo) => {
    undo.onFailure(async () => void done.push('undone'));
    return Promise.resolve(7);
  });
  assert.equal(result, 7);
  assert.deepEqual(done, []);
});

test('what fails is undone, the last step first, and its error is told', async () => {
  const done: string[] = [];
  const failing = orUndo(async (undo) => {
    undo.onFailure(async () => void done.push('first'));
    undo.onFailure(async () => void done.push('second'));
    return Promise.reject(new KelpieError('disk_full', 'no space.'));
  });
  await assert.rejects(
    failing,
    (error) => isKelpieError(error, 'disk_full') && error.message === 'no space.',
  );
  assert.deepEqual(done, ['second', 'first']);
});

test('a step that fails does not keep the others from being done, and is told along', async () => {
  const done: string[] = [];
  const failing = orUndo(async (undo) => {
    undo.onFailure(async () => void done.push('first'));
    undo.onFailure(() => Promise.reject(new Error('stuck')));
    return Promise.reject(new KelpieError('disk_full', 'no space.'));
  });
  await assert.rejects(failing, (error) => {
    assert.ok(isKelpieError(error, 'disk_full'));
    assert.ok(error.cause instanceof AggregateError);
    assert.equal(error.cause.errors.length, 2);
    return true;
  });
  assert.deepEqual(done, ['first']);
});
