import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { parseParagraphs, words } from '../build/deb822.ts';
import { accountFiles } from './accounts.ts';
import { dpkgDatabase, packageControl } from './dpkg-database.ts';
import { md5 } from './md5.ts';
import { isExcluded, mergedPath } from './root-paths.ts';
import type { OwnEntry } from './root-tree.ts';

function text(entries: readonly OwnEntry[], path: string): string {
  const entry = entries.find((candidate) => candidate.path === path);
  assert.ok(entry?.kind === 'file', `${path} is there`);
  return fromUtf8(entry.content);
}

test('MD5 is MD5, at every length around a block', () => {
  for (const length of [0, 1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 1000, 100_000]) {
    const bytes = Uint8Array.from({ length }, (_, index) => index * 7);
    assert.equal(md5(bytes), createHash('md5').update(bytes).digest('hex'), `${length} bytes`);
  }
});

test('control paragraphs keep their continuations', () => {
  const [first, second] = parseParagraphs(
    'Package: a\nDescription: one\n two\n .\n# no\n\n\nDepends: x,\n y\n',
  );
  assert.equal(first?.get('description'), 'one\n two\n .');
  assert.ok(second !== undefined);
  assert.deepEqual(words(second, 'depends'), ['x,', 'y']);
  assert.deepEqual(words(second, 'absent'), []);
});

describe("dpkg's database", () => {
  const control = packageControl(
    new Map([
      [
        'control',
        utf8('Package: libx\nVersion: 1:2-3\nArchitecture: amd64\nMulti-Arch: same\nDescription: x\n y\n'),
      ],
      ['conffiles', utf8('/etc/x.conf\nremove-on-upgrade /etc/old\n')],
      ['triggers', utf8('# c\ninterest-noawait /usr/lib/x\ninterest ldconfig\nactivate-noawait other\n')],
      ['postinst', utf8('#!/bin/sh\n')],
    ]),
  );
  const installed = {
    control,
    paths: ['/etc', '/etc/x.conf'],
    conffileSums: new Map([['/etc/x.conf', 'f'.repeat(32)]]),
  };

  test('has each package as installed, with its configuration files', () => {
    const entries = dpkgDatabase([installed], new Set());
    const status = text(entries, 'var/lib/dpkg/status');
    assert.ok(status.startsWith('Package: libx\nStatus: install ok installed\nVersion: 1:2-3\n'));
    assert.ok(status.endsWith(`\nConffiles:\n /etc/x.conf ${'f'.repeat(32)}\n`));
    assert.equal(text(entries, 'var/lib/dpkg/info/libx:amd64.list'), '/.\n/etc\n/etc/x.conf\n');
    assert.equal(entries.find(({ path }) => path === 'var/lib/dpkg/info/libx:amd64.postinst')?.mode, 0o755);
    assert.equal(text(entries, 'var/lib/dpkg/triggers/File'), '/usr/lib/x libx/noawait\n');
    assert.equal(text(entries, 'var/lib/dpkg/triggers/ldconfig'), 'libx\n');
    assert.equal(text(entries, 'var/lib/dpkg/triggers/Unincorp'), '');
  });

  test('says which packages nobody asked for', () => {
    assert.ok(
      text(dpkgDatabase([installed], new Set()), 'var/lib/apt/extended_states').includes('Package: libx\n'),
    );
    assert.equal(text(dpkgDatabase([installed], new Set(['libx'])), 'var/lib/apt/extended_states'), '');
  });

  test('takes no package without a name', () => {
    assert.throws(
      () => packageControl(new Map([['control', utf8('Version: 1\n')]])),
      (error) => isKelpieError(error, 'image_build_failed'),
    );
  });
});

test('no account has a password, and apt has its own', () => {
  const entries = accountFiles('root:*:0:0:root:/root:/bin/bash\n', 'root:*:0:\nsudo:*:27:a,b\n');
  assert.match(text(entries, 'etc/passwd'), /^root:x:0:0:root:\/root:\/bin\/bash\n_apt:x:42:/);
  assert.match(text(entries, 'etc/shadow'), /^root:\*:19000:0:99999:7:::\n_apt:\*:/);
  assert.equal(text(entries, 'etc/gshadow'), 'root:*::\nsudo:*::a,b\n');
  assert.equal(entries.find(({ path }) => path === 'etc/shadow')?.mode, 0o640);
});

test('paths lie in the merged tree, without documentation but with licences', () => {
  assert.equal(mergedPath('lib/x86_64-linux-gnu/libc.so.6', 'file'), 'usr/lib/x86_64-linux-gnu/libc.so.6');
  assert.equal(mergedPath('library/x', 'file'), 'library/x');
  assert.equal(mergedPath('bin', 'directory'), 'usr/bin');
  assert.equal(mergedPath('bin', 'symlink'), 'bin');
  for (const path of [
    'usr/share/man/man1/ls.1.gz',
    'usr/share/doc/bash/CHANGES.gz',
    'usr/share/locale/de/x.mo',
  ]) {
    assert.ok(isExcluded(path, 'file'), path);
  }
  for (const path of [
    'usr/share/doc/bash/copyright',
    'usr/share/doc',
    'usr/share/locale/locale.alias',
    'usr/share/docs',
  ]) {
    assert.ok(!isExcluded(path, 'file'), path);
  }
  assert.ok(!isExcluded('usr/share/doc/libgcc-s1', 'symlink'));
});
