import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isKelpieError } from '../base/errors.ts';
import { checkImageVersion, compareImageVersions, IMAGE_VERSION, parseImageVersion } from './version.ts';

const image = (version: string, digest = version): Parameters<typeof checkImageVersion>[0] => ({
  name: 'base',
  version,
  digest,
});

describe('image versions', () => {
  test('are three plain numbers', () => {
    assert.deepEqual(parseImageVersion('1.20.3'), { major: 1, minor: 20, patch: 3 });
    for (const bad of ['', '1', '1.0', '1.0.0.0', '01.0.0', '1.0.x', '-1.0.0', '1.0.0 ', '999999.0.0']) {
      assert.throws(
        () => parseImageVersion(bad),
        (error) => isKelpieError(error, 'invalid_argument'),
        bad,
      );
    }
    parseImageVersion(IMAGE_VERSION);
  });

  test('compare as numbers', () => {
    assert.ok(compareImageVersions('1.9.0', '1.10.0') < 0);
    assert.ok(compareImageVersions('2.0.0', '1.99.99') > 0);
    assert.equal(compareImageVersions('1.2.3', '1.2.3'), 0);
  });

  test('of a snapshot and a host agree in MAJOR.MINOR, and a difference is told', () => {
    assert.equal(checkImageVersion(image('1.0.0'), image('1.0.0')).kind, 'identical');
    const patch = checkImageVersion(image('1.0.0'), image('1.0.1'));
    assert.ok(patch.kind === 'compatible' && patch.notice.includes('1.0.1'));
    const packages = checkImageVersion(image('1.0.0', 'a'), image('1.0.0', 'b'));
    assert.ok(packages.kind === 'compatible' && packages.notice.includes('packages'));
    for (const other of [image('1.1.0'), image('2.0.0'), { ...image('1.0.0', 'z'), name: 'other' }]) {
      assert.equal(checkImageVersion(image('1.0.0'), other).kind, 'incompatible');
    }
    const foreign = checkImageVersion(
      { ...image('1.0.0', 'a'), architecture: 'arm64' },
      { ...image('1.0.0', 'b'), architecture: 'x86_64' },
    );
    assert.ok(foreign.kind === 'incompatible' && foreign.reason.includes('arm64'));
  });
});
