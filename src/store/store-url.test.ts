import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKelpieError } from '../base/errors.ts';
import { pathOfStore } from './store-url.ts';

test('a store is an absolute path or a file URL', () => {
  assert.equal(pathOfStore('/mnt/team'), '/mnt/team');
  assert.equal(pathOfStore('/mnt/team//'), '/mnt/team');
  assert.equal(pathOfStore('/'), '/');
  assert.equal(pathOfStore('file:///mnt/my%20team'), '/mnt/my team');
});

const refused: Readonly<Record<string, RegExp>> = {
  's3://bucket/team': /absolute path/,
  'S3://bucket/team': /s3:\/\/bucket/,
  store: /absolute path/,
  './store': /absolute path/,
  '': /absolute path/,
  'file://host/store': /absolute path/,
  'https://host/store': /absolute path/,
  'file:///a%zz': /not a file URL/,
  'file:///a%00b': /NUL/,
  '/a\0b': /NUL/,
  [`/${'x'.repeat(5000)}`]: /too long/,
};
for (const [url, sentence] of Object.entries(refused)) {
  test(`refused as a store: ${JSON.stringify(url.slice(0, 40))}`, () => {
    assert.throws(
      () => pathOfStore(url),
      (error) => isKelpieError(error, 'invalid_argument') && sentence.test(error.message),
    );
  });
}
