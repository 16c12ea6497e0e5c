/** A QEMU that does not do what it should, and hosts that refuse what it needs. */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isKelpieError } from '../src/base/errors.ts';
import type { ErrorCode } from '../src/base/error-codes.ts';
import { MIB } from '../src/base/units.ts';
import { createNodeEnv } from '../src/env/node/env.ts';
import type { Env } from '../src/env/env.ts';
import type { VmConfig } from '../src/snapshot/metadata.ts';
import { createQemuBackend } from '../src/vm/qemu/backend.ts';
import type { QemuBackendOptions } from '../src/vm/qemu/backend.ts';
import { tryAccelerator } from '../src/vm/qemu/try-accelerator.ts';
import { IMAGE_BUILD_TIMEOUT_MS } from './support/base-image.ts';
import { faultyEnv } from './support/faulty-env.ts';
import type { FaultRule } from './support/faulty-env.ts';
import { assertSameMemory, memoryOfProcess } from './support/guest-memory.ts';
import { assertWorks, startWork } from './support/guest-work.ts';
import { VmWorld } from './support/vm-world.ts';

const TIMEOUT_MS = 120_000;
const standIns = join(import.meta.dirname, 'support/stand-ins');

async function inWorld(
  work: (world: VmWorld) => Promise<void>,
  options: {
    readonly env?: Env;
    readonly backend?: Partial<QemuBackendOptions>;
    readonly config?: Partial<VmConfig>;
  } = {},
): Promise<void> {
  const world = await VmWorld.create(
    options.env ?? createNodeEnv(),
    (env, cacheDirectory) => createQemuBackend(env, { cacheDirectory, ...options.backend }),
    options.config,
  );
  try {
    await work(world);
  } finally {
    await world.close();
  }
}

/** A port of this host that is free now. */
async function freePort(): Promise<number> {
  const { port, close } = await listening();
  await close();
  return port;
}

async function listening(): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const close = async (): Promise<void> => {
    server.close();
    await once(server, 'close');
  };
  return { port: address.port, close };
}

async function rejects(call: Promise<unknown>, code: ErrorCode, wanted: RegExp): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isKelpieError(error, code), `${code} was expected, not ${String(error)}`);
    assert.match(error.message, wanted);
    return true;
  });
}

describe(
  'a start that fails leaves nothing and says why',
  { timeout: IMAGE_BUILD_TIMEOUT_MS + TIMEOUT_MS },
  () => {
    async function failsToStart(
      code: ErrorCode,
      wanted: RegExp,
      options: {
        readonly backend?: Partial<QemuBackendOptions>;
        readonly image?: string;
        readonly config?: Partial<VmConfig>;
      },
    ): Promise<void> {
      await inWorld(async (world) => {
        const garbage = join(world.directory, 'garbage');
        await writeFile(garbage, 'x'.repeat(MIB));
        const made = await world.make(
          options.config,
          options.image === undefined ? {} : { [options.image]: garbage },
        );
        await rejects(made.vm.start({ disk: [] }), code, wanted);
        assert.equal(made.vm.state, 'stopped');
        assert.deepEqual(await world.leftovers(made), []);
        assert.deepEqual(await readdir(world.blobDirectory), []);
      }, options);
    }

    test('when there is no QEMU', async () => {
      await failsToStart('backend_unavailable', /apt install/, {
        backend: { programs: { x86_64: '/nowhere/qemu' } },
      });
    });

    test('when QEMU ends at once', async () => {
      const programs = { x86_64: join(standIns, 'broken-qemu.sh') };
      await failsToStart('vm_start_failed', /broken on purpose/, { backend: { programs } });
    });

    test('when QEMU never answers', async () => {
      const programs = { x86_64: join(standIns, 'silent-qemu.sh') };
      await failsToStart('vm_start_failed', /silent on purpose/, { backend: { programs } });
    });

    test('when the kernel is none', async () => {
      await failsToStart('vm_start_failed', /did not start/, { image: 'kernel' });
    });

    test('when the root file system is none', async () => {
      await failsToStart('vm_start_failed', /console ends with: ".+"\.$/s, { image: 'rootfs' });
    });

    test('when the guest agent does not answer in time', async () => {
      await failsToStart('vm_boot_timeout', /did not answer in time\..+\.$/s, {
        backend: { bootTimeoutMs: 300 },
      });
    });

    test('when the disk is too small for the image', async () => {
      await failsToStart('invalid_argument', /too small/, { config: { diskMib: 1 } });
    });

    test('when a port is taken', async () => {
      const server = await listening();
      const publish = [{ hostPort: server.port, guestPort: 80 }];
      try {
        await failsToStart('port_taken', new RegExp(String(server.port)), { config: { publish } });
      } finally {
        await server.close();
      }
    });
  },
);

describe('a snapshot is exact', { timeout: IMAGE_BUILD_TIMEOUT_MS + TIMEOUT_MS }, () => {
  const openRefused = (subject: RegExp): FaultRule => ({
    act: 'files.open',
    subject,
    fault: { errno: 'EACCES' },
  });

  async function snapshotIsExact(rules: readonly FaultRule[], memoryMib: number): Promise<void> {
    const { env, injected } = faultyEnv(createNodeEnv(), { rules });
    const check = async (world: VmWorld): Promise<void> => {
      const booted = await world.boot();
      await startWork(world, booted);
      for (const source of [booted, await world.restore(await world.snapshot(booted, { resume: true }))]) {
        const taken = await world.snapshot(source, { resume: false });
        const copied = {
          path: join(world.blobDirectory, `${await world.materialize(taken)}.pages`),
          start: 0,
        };
        assertSameMemory(
          memoryOfProcess(source.places.runDirectory, memoryMib * MIB),
          copied,
          memoryMib * MIB,
        );
        await source.vm.resume();
        await assertWorks(world, source);
      }
    };
    await inWorld(check, { env, config: { memoryMib } });
    assert.equal(injected.length > 0, rules.length > 0, 'the refusals happened');
  }

  test('where the memory of another process is refused', async () => {
    await snapshotIsExact([openRefused(/^\/proc\/\d+\/mem$/)], 256);
  });

  test('where the page map of another process is refused as well', async () => {
    await snapshotIsExact([openRefused(/^\/proc\/\d+\/(mem|pagemap)$/)], 256);
  });

  test('where there is no /proc at all', async () => {
    await snapshotIsExact([openRefused(/^\/proc\/\d+\//)], 256);
  });

  test('where devices are in the middle of the memory', async () => {
    await snapshotIsExact([openRefused(/^\/proc\/\d+\/mem$/)], 3072);
  });

  test('of a large memory', async () => {
    await snapshotIsExact([], 3072);
  });
});

test(
  'a full disk fails a snapshot, and the VM goes on',
  { timeout: IMAGE_BUILD_TIMEOUT_MS + TIMEOUT_MS },
  async () => {
    const rules = [{ act: 'file.write', subject: /\.pages/, fault: { errno: 'ENOSPC' } }];
    const { env, injected } = faultyEnv(createNodeEnv(), { rules });
    const check = async (world: VmWorld): Promise<void> => {
      const booted = await world.boot({ memoryMib: 256 });
      await startWork(world, booted);
      await rejects(world.snapshot(booted, { resume: true }), 'disk_full', /full/);
      assert.equal(booted.vm.state, 'running');
      await assertWorks(world, booted);
      assert.deepEqual(
        (await readdir(world.blobDirectory)).filter((name) => name.endsWith('.pages')),
        [],
      );
    };
    await inWorld(check, { env });
    assert.ok(injected.length > 0);
  },
);

test('the guests that try an accelerator run where guests run', async () => {
  const env = createNodeEnv();
  for (const [program, architecture] of [
    ['qemu-system-x86_64', 'x86_64'],
    ['qemu-system-aarch64', 'arm64'],
  ] as const) {
    const request = {
      program,
      architecture,
      accelerator: 'tcg',
      cpu: 'max',
      scratchDirectory: tmpdir(),
    } as const;
    assert.equal(await tryAccelerator(env, request), null);
    assert.match((await tryAccelerator(env, { ...request, accelerator: 'hvf' })) ?? '', /could not start/);
  }
});

test(
  'a published port reaches the guest, before and after a restore',
  { timeout: IMAGE_BUILD_TIMEOUT_MS + TIMEOUT_MS },
  async () => {
    await inWorld(async (world) => {
      const hostPort = await freePort();
      const publish = [{ hostPort, guestPort: 8000 }];
      const booted = await world.boot({ publish });
      await world.run(booted, 'mkdir -p /srv/www && echo hello > /srv/www/index.html');
      const agent = await booted.vm.agent();
      await agent.startDetached({
        argv: ['/usr/bin/python3', '-m', 'http.server', '--directory', '/srv/www', '8000'],
      });
      await world.run(booted, 'until curl -s -o /dev/null 127.0.0.1:8000; do sleep 0.1; done');
      assert.equal(await (await fetch(`http://127.0.0.1:${hostPort}/`)).text(), 'hello\n');
      const taken = await world.snapshot(booted, { resume: true });
      await booted.vm.stop({ force: true });
      const copy = await world.make({ publish });
      await copy.vm.restore(await world.restoreRequest(taken));
      assert.equal(await (await fetch(`http://127.0.0.1:${hostPort}/`)).text(), 'hello\n');
    });
  },
);
