import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import { assertSupported, featuresOf, isNewerThanKnown, parseVersion } from './version.ts';
import type { FirecrackerFeatures, FirecrackerVersion } from './version.ts';

function version(text: string): FirecrackerVersion {
  const parsed = parseVersion(text);
  assert.ok(parsed !== null, text);
  return parsed;
}

test('a version is read as programs print it, and nothing else is one', () => {
  for (const text of [
    '1.16.1',
    'v1.16.1',
    'Firecracker v1.16.1',
    'Jailer v1.16.1',
    'Firecracker v1.16.1-dev\n',
  ])
    assert.deepEqual(parseVersion(text), { major: 1, minor: 16, patch: 1 }, text);
  for (const text of ['', 'Firecracker', '1.16', 'v1.16.1 of something', 'x1.16.1', '1.16.1.2', '1.16.12345'])
    assert.equal(parseVersion(text), null, text);
});

test('versions that cannot be spoken to are refused, with what to install', () => {
  for (const text of ['1.12.0', '1.16.1', '1.40.0'])
    assert.doesNotThrow(() => assertSupported('/fc', version(text)));
  for (const [text, advice] of [
    ['1.11.9', /Firecracker 1\.12 or newer/],
    ['0.25.2', /Firecracker 1\.12 or newer/],
    ['2.0.0', /a newer Kelpie/],
  ] as const) {
    assert.throws(
      () => assertSupported('/fc', version(text)),
      (error) => isKelpieError(error, 'backend_unavailable') && advice.test(error.message),
    );
  }
  assert.ok(!isNewerThanKnown(version('1.16.9')));
  assert.ok(isNewerThanKnown(version('1.17.0')));
});

test('what a version can do is asked of its number alone', () => {
  const none: FirecrackerFeatures = {
    hasTrackOnLoad: false,
    hasSerialLimit: false,
    hasVsockOverride: false,
    hasSoundDiffOfPieces: false,
    isVsockDeafAfterPause: false,
  };
  assert.deepEqual(featuresOf(version('1.12.1')), none);
  assert.deepEqual(featuresOf(version('1.13.0')), { ...none, hasTrackOnLoad: true });
  assert.deepEqual(featuresOf(version('1.15.1')), {
    ...none,
    hasTrackOnLoad: true,
    hasSoundDiffOfPieces: true,
  });
  const newest = {
    hasTrackOnLoad: true,
    hasSerialLimit: true,
    hasVsockOverride: true,
    hasSoundDiffOfPieces: true,
  };
  assert.deepEqual(featuresOf(version('1.16.0')), { ...newest, isVsockDeafAfterPause: true });
  assert.deepEqual(featuresOf(version('1.17.0')), { ...newest, isVsockDeafAfterPause: false });
});
