import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { faultyEnv } from '../../../test/support/faulty-env.ts';
import { VMLINUX_KEPT_MAX } from './limits.ts';
import { bootableKernel } from './vmlinux.ts';

const env = createNodeEnv();
const elf = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, ...new Uint8Array(5000).fill(7));

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kelpie-vmlinux-'));
  await env.files.makeDirectory(join(directory, 'cache'));
});
after(async () => await rm(directory, { recursive: true }));

/** A boot sector with one sector of setup code and a payload, as Linux lays it out. */
function vmlinuz(payload: Uint8Array): Bytes {
  const bytes = new Uint8Array(2 * 512 + 64 + payload.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(0x1f1, 1);
  bytes.set(utf8('HdrS'), 0x202);
  view.setUint32(0x248, 64, true);
  view.setUint32(0x24c, payload.byteLength, true);
  bytes.set(payload, 2 * 512 + 64);
  return bytes;
}

async function bootable(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, bytes);
  return bootableKernel(env, path, 'x86_64', join(directory, 'cache'));
}

test('an uncompressed kernel is booted as it is', async () => {
  assert.equal(await bootable('vmlinux', elf), join(directory, 'vmlinux'));
});

test('a vmlinuz is unpacked once, and few of them are kept', async () => {
  const first = await bootable('a', vmlinuz(gzipSync(elf)));
  assert.deepEqual(new Uint8Array(await readFile(first)), elf);
  assert.equal(await bootableKernel(env, join(directory, 'a'), 'x86_64', join(directory, 'cache')), first);
  for (let other = 0; other <= VMLINUX_KEPT_MAX; other += 1)
    await bootable(`b${other}`, vmlinuz(gzipSync(elf)));
  assert.equal((await readdir(join(directory, 'cache'))).length, VMLINUX_KEPT_MAX);
});

test('an unpacked kernel is on the disk before it has its name: a loss of power leaves it whole, or not there', async () => {
  const { env: watched, calls } = faultyEnv(env, {});
  const path = join(directory, 'synced');
  await writeFile(path, vmlinuz(gzipSync(elf)));
  await bootableKernel(watched, path, 'x86_64', join(directory, 'cache'));
  const acts = calls.map(({ act }) => act);
  assert.ok(acts.includes('file.sync') && acts.indexOf('file.sync') < acts.indexOf('files.rename'));
});

test('what is no kernel is refused, and nothing is left of it', async () => {
  const kept = await readdir(join(directory, 'cache'));
  const outside = vmlinuz(gzipSync(elf));
  new DataView(outside.buffer).setUint32(0x24c, 0xffff_ffff, true);
  const cut = gzipSync(elf).subarray(0, 40);
  for (const [name, bytes, reason] of [
    ['empty', new Uint8Array(0), /neither/],
    ['text', utf8('x'.repeat(4000)), /neither/],
    ['outside', outside, /outside/],
    ['packed', vmlinuz(new Uint8Array(100).fill(1)), /unknown way/],
    ['damaged', vmlinuz(cut), /damaged/],
    ['no-elf', vmlinuz(gzipSync(utf8('hello'.repeat(300)))), /no kernel/],
  ] as const) {
    await assert.rejects(
      bootable(name, bytes),
      (error) => isKelpieError(error, 'image_incompatible') && reason.test(error.message),
      name,
    );
  }
  const left = (await readdir(join(directory, 'cache'))).filter((name) => !kept.includes(name));
  assert.deepEqual(left, []);
});

test('a kernel that is missing is told by its path', async () => {
  await assert.rejects(
    bootableKernel(env, join(directory, 'gone'), 'x86_64', join(directory, 'cache')),
    (error) => isKelpieError(error, 'file_not_found') && error.message.includes('gone'),
  );
});
