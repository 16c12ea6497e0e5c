import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from './errors.ts';
import { uniqueBeginning } from './unique-beginning.ts';

const ids = ['3f2a91b0c4d5e6f7', '3f2a91b0c4d5aaaa', '3f77000000000000', '3f', 'aa00000000000000'];

function find(beginning: string): string | null {
  return uniqueBeginning(ids, (id) => id, beginning, 'packages');
}

test('a beginning that one has means it, a whole id means itself, and another means nothing', () => {
  assert.equal(find('aa'), 'aa00000000000000');
  assert.equal(find('3f'), '3f');
  assert.equal(find('3f2a91b0c4d5e'), '3f2a91b0c4d5e6f7');
  assert.equal(find('bb'), null);
});

test('a beginning that several have is refused with as much of each as tells them apart', () => {
  assert.throws(
    () => find('3f2'),
    (error) =>
      isKelpieError(error, 'invalid_argument') &&
      error.message ===
        'several packages begin with 3f2: 3f2a91b0c4d5e…, 3f2a91b0c4d5a…; write more of the one that is meant.',
  );
});

test('of many candidates a few are listed', () => {
  const many = Array.from({ length: 20 }, (_, at) => `ab${String(at).padStart(4, '0')}${'0'.repeat(10)}`);
  assert.throws(
    () => uniqueBeginning(many, (id) => id, 'ab', 'snapshots'),
    /ab0004000000… and 15 more; write/,
  );
});
