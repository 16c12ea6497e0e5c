/** A real image: built twice from the archive, the same both times, checked, and booted to a ready guest agent. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFile, mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createNodeEnv } from '../src/env/node/env.ts';
import { buildImage } from '../src/image/build/build-image.ts';
import { findImage, verifyImage } from '../src/image/image-store.ts';
import { serialConsole } from '../src/image/kernel-arguments.ts';
import { imagePaths } from '../src/image/paths.ts';
import type { ImageBuildProgress } from '../src/image/build/progress.ts';
import type { ImageInfo } from '../src/image/image-info.ts';

const env = createNodeEnv();
/** A build takes 16 s on an idle machine with a warm cache; the first one downloads 75 MB. */
const BUILD_TIMEOUT_MS = 400_000;
/** A boot takes 3 s under emulation on an idle machine. */
const BOOT_TIMEOUT_MS = 120_000;
/** Far more than a boot prints. */
const CONSOLE_BYTES_MAX = 1_000_000;

describe('the base image', { timeout: 2 * BUILD_TIMEOUT_MS + BOOT_TIMEOUT_MS }, () => {
  let home: string;
  let image: ImageInfo;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'kelpie-image-'));
  });
  after(async () => await rm(home, { recursive: true, force: true }));

  async function build(
    onProgress: (progress: ImageBuildProgress) => void = () => undefined,
    signal = AbortSignal.timeout(BUILD_TIMEOUT_MS),
  ): Promise<ImageInfo> {
    const agentDirectory = resolve(import.meta.dirname, '../guest-agent');
    return await buildImage(
      env,
      { home, name: 'base', architecture: 'x86_64', agentDirectory },
      onProgress,
      signal,
    );
  }

  test('is built, with progress', async () => {
    const phases: string[] = [];
    image = await build(({ phase, doneBytes, totalBytes }) => {
      assert.ok(
        doneBytes >= 0 && (doneBytes <= totalBytes || totalBytes === 0),
        `${phase}: ${doneBytes} of ${totalBytes}`,
      );
      if (phases.at(-1) !== phase) phases.push(phase);
    });
    assert.deepEqual(phases, ['agent', 'lists', 'resolve', 'download', 'kernel', 'rootfs', 'data', 'seal']);
    assert.deepEqual(await verifyImage(env, home, image.digest), image);
    assert.deepEqual(await findImage(env, home, { name: 'base', architecture: 'x86_64' }), image);
    for (const name of ['bash', 'coreutils', 'python3', 'ca-certificates', 'curl', 'apt']) {
      assert.ok(
        image.packages.some((item) => item.name === name),
        `${name} is in it`,
      );
    }
    const rootfs = image.files.find(({ name }) => name === 'rootfs');
    assert.ok(rootfs !== undefined && rootfs.sizeBytes < 100_000_000, 'the root file system is small');
  });

  test('is the same when it is built again', async () => {
    assert.deepEqual(await build(), image);
    assert.deepEqual(await readdir(join(home, 'images')), [image.digest]);
  });

  test('is not there when its build was canceled', async () => {
    const controller = new AbortController();
    const canceled = build(({ phase, doneBytes }) => {
      if (phase === 'rootfs' && doneBytes > 0) controller.abort(new Error('canceled by the test'));
    }, controller.signal);
    await assert.rejects(canceled, /canceled by the test/);
    assert.deepEqual(await readdir(join(home, 'images')), [image.digest]);
  });

  test('boots to a ready guest agent', async () => {
    const paths = imagePaths(home, image.digest);
    const disk = join(home, 'disk');
    await copyFile(paths.dataTemplate, disk);
    await truncate(disk, 2 ** 31);
    const drive = (id: string, file: string, more: string): string[] => {
      return [
        '-drive',
        `if=none,id=${id},format=raw,file=${file}${more}`,
        '-device',
        `virtio-blk-pci,drive=${id}`,
      ];
    };
    const kernelArguments = [
      serialConsole.x86_64,
      ...image.kernelArguments,
      'kelpie.root=/dev/vda',
      'kelpie.data=/dev/vdb',
    ];
    const machine = [
      '-M',
      'pc-q35-7.2',
      '-cpu',
      'Nehalem',
      '-accel',
      'tcg',
      '-m',
      '512',
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      '-no-reboot',
    ];
    const boot = [
      '-kernel',
      paths.kernel,
      '-initrd',
      paths.initramfs,
      '-append',
      kernelArguments.join(' '),
      '-serial',
      'stdio',
    ];
    const qemu = spawn(
      'qemu-system-x86_64',
      [...machine, ...boot, ...drive('root', paths.rootfs, ',read-only=on'), ...drive('data', disk, '')],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        signal: AbortSignal.timeout(BOOT_TIMEOUT_MS),
      },
    );
    let console_ = '';
    for await (const chunk of qemu.stdout) {
      console_ += String(chunk);
      if (console_.includes('kelpie-agent: ready') || console_.length > CONSOLE_BYTES_MAX) break;
    }
    qemu.kill('SIGKILL');
    assert.match(console_, /kelpie-agent: ready/);
    assert.doesNotMatch(console_, /kelpie-agent: .*(could not|panic)/);
  });
});
