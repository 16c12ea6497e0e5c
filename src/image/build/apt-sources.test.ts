import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import {
  formatGuestSources,
  formatSources,
  parseOsRelease,
  parseSources,
  releaseSources,
  sourcesFormat,
} from './apt-sources.ts';
import { parsePrintedUri } from './apt.ts';

const deb822 = `Types: deb deb-src
# a comment
URIs: http://user:secret@mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: https://vendor.example/apt
Suites: bookworm
Components: stable

Enabled: no
Types: deb
URIs: http://mirror.example/other
Suites: bookworm
Components: main
`;
const list = `# deb http://off.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib # why
deb-src http://mirror.example/debian bookworm main
deb cdrom:[x]/ bookworm main
`;

describe('package sources', () => {
  test('are read in both formats', () => {
    assert.equal(sourcesFormat(deb822), 'deb822');
    assert.equal(sourcesFormat(list), 'list');
    assert.equal(parseSources(deb822, 'deb822').length, 2);
    const [first] = parseSources(list, 'list');
    assert.deepEqual(first, {
      uris: ['http://mirror.example/debian'],
      suites: ['bookworm'],
      components: ['main', 'contrib'],
      signedBy: '/k.gpg',
    });
    assert.deepEqual(
      parseSources(formatSources(parseSources(deb822, 'deb822')), 'deb822'),
      parseSources(deb822, 'deb822'),
    );
  });

  test('of a release leave vendors and other releases out', () => {
    const sources = releaseSources(parseSources(deb822, 'deb822'), 'bookworm');
    assert.deepEqual(
      sources.map(({ suites }) => suites),
      [['bookworm', 'bookworm-updates']],
    );
    assert.deepEqual(releaseSources(parseSources(deb822, 'deb822'), 'trixie'), []);
  });

  test('in the image have no secrets and no paths of the host', () => {
    const text = formatGuestSources(releaseSources(parseSources(deb822, 'deb822'), 'bookworm'));
    assert.ok(
      text.includes('URIs: http://mirror.example/debian\n') &&
        !text.includes('secret') &&
        !text.includes('Signed-By'),
    );
    assert.equal(
      formatGuestSources([
        { uris: ['file:/srv'], suites: ['bookworm'], components: ['main'], signedBy: null },
      ]),
      '',
    );
  });

  test('belong to a distribution that says its name', () => {
    assert.deepEqual(parseOsRelease('ID=debian\nVERSION_CODENAME=bookworm\n'), {
      id: 'debian',
      release: 'bookworm',
    });
    assert.deepEqual(parseOsRelease('VERSION_CODENAME="noble"\nID="ubuntu"\nID_LIKE=debian\n'), {
      id: 'ubuntu',
      release: 'noble',
    });
    assert.throws(
      () => parseOsRelease('ID=arch\n'),
      (error) => isKelpieError(error, 'image_build_failed'),
    );
  });
});

test('apt names packages with their size and SHA-256', () => {
  const digest = '0'.repeat(64);
  assert.deepEqual(
    parsePrintedUri(
      `'http://x/procps_2%254.0_amd64.deb' procps_2%3a4.0.2-3_amd64.deb 709408 SHA256:${digest}`,
    ),
    {
      fileName: 'procps_2%3a4.0.2-3_amd64.deb',
      name: 'procps',
      version: '2:4.0.2-3',
      architecture: 'amd64',
      sizeBytes: 709_408,
      sha256: digest,
    },
  );
  for (const bad of [
    '',
    `'x' a_1_all.deb 5 MD5Sum:${digest.slice(32)}`,
    `'x' ../a_1_all.deb 5 SHA256:${digest}`,
  ]) {
    assert.throws(
      () => parsePrintedUri(bad),
      (error) => isKelpieError(error, 'image_build_failed'),
      bad,
    );
  }
});
