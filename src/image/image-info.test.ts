import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exampleImage } from '../../test/support/example-image.ts';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { isKelpieError } from '../base/errors.ts';
import { createNodeCompute } from '../env/node/compute.ts';
import { canonicalJson } from '../base/canonical-json.ts';
import { encodeImageInfo, parseImageInfo, sealImageInfo } from './image-info.ts';

const compute = createNodeCompute();

describe('canonical JSON', () => {
  test('is one text, whatever the order of members', () => {
    assert.equal(
      canonicalJson({ b: [1, { d: null, c: true }], a: 'ü"' }),
      '{"a":"ü\\"","b":[1,{"c":true,"d":null}]}',
    );
    assert.equal(canonicalJson({ a: 1, b: 2 }), canonicalJson({ b: 2, a: 1 }));
    assert.throws(() => canonicalJson({ a: 0.5 }));
    assert.throws(() => canonicalJson({ a: undefined }));
  });
});

describe('image.json', () => {
  const info = sealImageInfo(compute, exampleImage());

  test('names itself by the digest of the rest', () => {
    const { digest, ...rest } = info;
    assert.equal(digest, compute.sha256(utf8(canonicalJson(rest))));
    assert.deepEqual(parseImageInfo(compute, encodeImageInfo(info)), info);
  });

  test('is refused when anything in it was changed', () => {
    const text = fromUtf8(encodeImageInfo(info));
    const changed = [
      text.replace('"1.0.0"', '"1.0.1"'),
      text.replace('"bookworm"', '"trixie"'),
      text.replace('"sizeBytes":1', '"sizeBytes":2'),
      text.replace('"formatVersion":1', '"formatVersion":2'),
      text.replace('{', '{"extra":1,'),
      text.slice(0, -3),
      '[]',
      'null',
    ];
    for (const bad of changed) {
      assert.notEqual(bad, text);
      assert.throws(
        () => parseImageInfo(compute, utf8(bad)),
        (error) => isKelpieError(error, 'image_corrupt'),
        bad,
      );
    }
  });

  test('is refused with files missing, doubled or named otherwise', () => {
    const example = exampleImage();
    const [first, ...rest] = example.files;
    assert.ok(first !== undefined);
    for (const files of [rest, [first, ...example.files], [first, first, ...rest.slice(1)]]) {
      const bad = encodeImageInfo(sealImageInfo(compute, { ...example, files }));
      assert.throws(
        () => parseImageInfo(compute, bad),
        (error) => isKelpieError(error, 'image_corrupt'),
      );
    }
  });
});
