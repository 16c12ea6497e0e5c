import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from './canonical-json.ts';

test('members are sorted by their code units, without white space', () => {
  assert.equal(
    canonicalJson({ b: [1, { d: null, c: 'x\n' }], a: true }),
    '{"a":true,"b":[1,{"c":"x\\n","d":null}]}',
  );
  // RFC 8785, 3.2.3: the emoji's first code unit sorts before the letter's.
  assert.equal(canonicalJson({ '\uFB33': 1, '\u{1F600}': 2 }), '{"\u{1F600}":2,"\uFB33":1}');
});

test('one value has one text, whatever the order of its members, and the text is the value', () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.string(),
      fc.constant(null),
      tie('array'),
      tie('object'),
    ),
    array: fc.array(tie('any'), { maxLength: 4 }),
    object: fc.dictionary(fc.string(), tie('any'), { maxKeys: 4 }),
  })).object;
  fc.assert(
    fc.property(value, (original) => {
      const text = canonicalJson(original);
      const parsed: unknown = JSON.parse(text);
      assert.equal(canonicalJson(parsed), text);
      const reversed = Object.fromEntries(Object.entries(original as object).toReversed());
      assert.equal(canonicalJson(reversed), text);
    }),
  );
});

test('what has no one text is our own mistake', () => {
  for (const value of [0.5, NaN, Infinity, 2 ** 53, undefined, () => 1, 1n, { a: undefined }]) {
    assert.throws(() => canonicalJson(value), { name: 'AssertionFailed' });
  }
});
