import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import { findPrivateMapping } from './process-maps.ts';

const others = `55d0c8a00000-55d0c8c00000 r--p 00000000 fe:00 1234                       /usr/bin/qemu-system-x86_64
7f07e8000000-7f07e8021000 rw-p 00000000 00:00 0
`;
const MEMORY = 0x2000_0000;

test('a mapping is found by its name, in whatever folder', () => {
  const maps = `${others}7f07c7fff000-7f07e7fff000 rw-p 00000000 fe:00 10027015    /real/blobs/1a.pages\n`;
  assert.equal(findPrivateMapping(maps, '1a.pages', MEMORY), 0x7f07_c7ff_f000);
});

test('one that the kernel cut in parts is found as a whole', () => {
  const maps = `7f07c7fff000-7f07d7fff000 rw-p 00000000 fe:00 15   /blobs/1a.pages
7f07d7fff000-7f07e7fff000 rw-p 10000000 fe:00 15   /blobs/1a.pages
${others}`;
  assert.equal(findPrivateMapping(maps, '1a.pages', MEMORY), 0x7f07_c7ff_f000);
});

for (const [what, maps] of [
  ['not there', others],
  ['shared', '7f07c7fff000-7f07e7fff000 rw-s 00000000 fe:00 15   /blobs/1a.pages\n'],
  ['not whole', '7f07c7fff000-7f07d7fff000 rw-p 00000000 fe:00 15   /blobs/1a.pages\n'],
  [
    'with a hole',
    '7f07c7fff000-7f07d7fff000 rw-p 00000000 fe:00 15   /blobs/1a.pages\n7f07d8fff000-7f07e8fff000 rw-p 10000000 fe:00 15   /blobs/1a.pages\n',
  ],
  [
    'there twice',
    '7f0700000000-7f0720000000 rw-p 00000000 fe:00 15   /blobs/1a.pages\n7f0740000000-7f0760000000 rw-p 00000000 fe:00 15   /blobs/1a.pages\n',
  ],
] as const) {
  test(`a mapping that is ${what} is refused`, () => {
    assert.throws(
      () => findPrivateMapping(maps, '1a.pages', MEMORY),
      (error) => isKelpieError(error, 'vm_backend_failed'),
    );
  });
}
