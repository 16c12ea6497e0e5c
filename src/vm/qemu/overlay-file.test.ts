import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { z } from 'zod';
import { GIB, MIB } from '../../base/units.ts';
import { emptyOverlay } from './overlay-file.ts';

const infoSchema = z.object({
  'virtual-size': z.number(),
  'backing-filename': z.string(),
  'backing-filename-format': z.string(),
});

for (const sizeBytes of [MIB, 8 * GIB, 12 * 1024 * GIB]) {
  test(`an overlay of ${sizeBytes / MIB} MiB is what qemu-img takes for one`, () => {
    const directory = mkdtempSync(join(tmpdir(), 'kelpie-overlay-'));
    try {
      const path = join(directory, 'top.qcow2');
      writeFileSync(join(directory, 'base.raw'), '');
      truncateSync(join(directory, 'base.raw'), MIB);
      const { head, fileBytes } = emptyOverlay({ sizeBytes, backingFile: 'base.raw', backingFormat: 'raw' });
      writeFileSync(path, head);
      truncateSync(path, fileBytes);
      execFileSync('qemu-img', ['check', '-q', path]);
      const info = infoSchema.parse(
        JSON.parse(execFileSync('qemu-img', ['info', '--output=json', path], { encoding: 'utf8' })),
      );
      assert.deepEqual(info, {
        'virtual-size': sizeBytes,
        'backing-filename': 'base.raw',
        'backing-filename-format': 'raw',
      });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
}
