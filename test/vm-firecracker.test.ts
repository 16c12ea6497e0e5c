/** The Firecracker backend over the stand-in (`firecracker-stand-in/`): a real guest, the published API, and a process that dies at every call. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fromUtf8Lossy } from '../src/base/bytes.ts';
import { isKelpieError } from '../src/base/errors.ts';
import type { ErrorCode } from '../src/base/error-codes.ts';
import { PAGE_BYTES } from '../src/base/units.ts';
import { createNodeEnv } from '../src/env/node/env.ts';
import { pageFilePath } from '../src/snapshot/local-snapshot.ts';
import { createFirecrackerBackend } from '../src/vm/firecracker/backend.ts';
import { trialKernel, tryKvm } from '../src/vm/firecracker/kvm-trial.ts';
import { IMAGE_BUILD_TIMEOUT_MS } from './support/base-image.ts';
import { cagedOptions } from './support/caged-firecracker.ts';
import { eventually } from './support/eventually.ts';
import { untilState, VmWorld } from './support/vm-world.ts';
import type { TakenSnapshot, VmInWorld } from './support/vm-world.ts';

const SUITE_TIMEOUT_MS = 240_000;
const END_TIMEOUT_MS = 60_000;
/** The stand-in is emulated, and starts slowly. */
const TRIAL_TIMEOUT_MS = 30_000;
const standIn = join(import.meta.dirname, 'firecracker-stand-in/firecracker');

const whyNotCaged = process.getuid?.() === 0 ? false : 'only root may use a jailer (issue #5)';

/** What a restore asks of Firecracker, in order. */
const RESTORE_CALLS = [
  'start',
  'GET /',
  'PUT /logger',
  'PUT /metrics',
  'PUT /serial',
  'PUT /snapshot/load',
  'PATCH /vm',
] as const;

/** What a boot asks of it, in order. */
const BOOT_CALLS = [
  ...[
    'start',
    'GET /',
    'PUT /logger',
    'PUT /metrics',
    'PUT /serial',
    'PUT /machine-config',
    'PUT /boot-source',
  ],
  ...['PUT /drives/root', 'PUT /drives/data', 'PUT /vsock', 'PUT /entropy', 'PUT /balloon', 'PUT /actions'],
  'vsock',
] as const;

/** What a snapshot asks of it, in order. */
const SNAPSHOT_CALLS = [
  { on: 'PATCH /vm', nth: 1 },
  { on: 'PUT /snapshot/create', nth: 1 },
  { on: 'PATCH /vm', nth: 2 },
] as const;

/** A program that is the stand-in, with a file that says what shall go wrong. */
async function faultyStandIn(
  directory: string,
): Promise<{ readonly program: string; readonly faults: string }> {
  const program = join(directory, 'faulty-firecracker');
  const faults = join(directory, 'faults.json');
  const script = `#!/bin/sh\nFIRECRACKER_STAND_IN_FAULTS='${faults}' exec '${standIn}' "$@"\n`;
  await writeFile(program, script, { mode: 0o755 });
  await writeFile(faults, '[]');
  return { program, faults };
}

async function rejects(call: Promise<unknown>, ...codes: readonly ErrorCode[]): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isKelpieError(error, ...codes), `${codes.join(' or ')} was expected, not ${String(error)}`);
    return true;
  });
}

describe('firecracker: a VM on the stand-in', { timeout: IMAGE_BUILD_TIMEOUT_MS + SUITE_TIMEOUT_MS }, () => {
  let world: VmWorld;
  let directory: string;
  let faults: string;
  let booted: VmInWorld;
  let snapshot: TakenSnapshot;
  let bootId: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kelpie-firecracker-'));
    const faulty = await faultyStandIn(directory);
    ({ faults } = faulty);
    world = await VmWorld.create(
      createNodeEnv(),
      (env, cacheDirectory) => createFirecrackerBackend(env, { cacheDirectory, program: faulty.program }),
      { memoryMib: 256, portability: 'host' },
    );
    booted = await world.boot();
  });
  after(async () => {
    await world.close();
    await rm(directory, { recursive: true });
  });

  test('is what a guest of a few instructions can turn off, which proves that guests run', async () => {
    assert.equal(await tryKvm(world.env, standIn, directory, TRIAL_TIMEOUT_MS), null);
    assert.match(String(await tryKvm(world.env, '/bin/false', directory)), /said nothing/);
  });

  test('is what a guest of a few instructions can turn off on arm64 as well', async () => {
    const kernel = join(directory, 'arm-kernel');
    await writeFile(kernel, trialKernel('arm64'));
    const machine = ['-M', 'virt', '-cpu', 'cortex-a72', '-m', '128', '-nodefaults', '-display', 'none'];
    // Firecracker's guests have PSCI by `hvc` too. One that does not turn it off runs for ever.
    const ended = spawnSync('qemu-system-aarch64', [...machine, '-kernel', kernel], {
      timeout: END_TIMEOUT_MS,
    });
    assert.deepEqual([ended.status, ended.signal], [0, null], String(ended.stderr));
  });

  test('boots, and its snapshots hold what was written since the one before', async () => {
    assert.equal(booted.vm.runtime?.machine.backend, 'firecracker');
    bootId = await world.run(booted, 'cat /proc/sys/kernel/random/boot_id');
    const first = await world.snapshot(booted, { resume: true });
    assert.ok(first.memory.mappable !== null, 'the first one can be mapped as it is');
    await world.run(booted, 'echo kept > /root/kept && sync');
    snapshot = await world.snapshot(booted, { resume: true });
    assert.ok(snapshot.timings.dirtyBytes < first.timings.dirtyBytes / 2);
    assert.equal(snapshot.memory.mappable, null);
    assert.ok(snapshot.memory.pageFiles.includes(first.memory.mappable), 'it lies over the first one');
  });

  test('goes on elsewhere, with its memory and its disk', async () => {
    const copy = await world.restore(snapshot);
    assert.equal(await world.run(copy, 'cat /root/kept /proc/sys/kernel/random/boot_id'), `kept\n${bootId}`);
    await copy.vm.pause();
    await copy.vm.resume();
    assert.equal(await world.run(copy, 'echo reached'), 'reached', 'also after a pause without a snapshot');
    await copy.vm.stop();
    assert.equal(copy.vm.state, 'stopped');
    assert.deepEqual(await world.leftovers(copy), []);
  });

  /** The stand-in is two processes: the one that serves its API sees a moment later that the other has died. */
  const nothingIsLeft = async (ended: VmInWorld, what: string): Promise<void> => {
    const left = async (): Promise<readonly string[]> => await world.leftovers(ended);
    await eventually(async () => (await left()).length === 0, `nothing is left after ${what}`, left);
  };

  test('leaves nothing when its process dies at any call of a boot or a restore', async () => {
    const made = await world.make();
    const request = await world.restoreRequest(snapshot);
    const blobs = await readdir(world.blobDirectory);
    const acts = [
      { calls: BOOT_CALLS, act: async () => await made.vm.start({ disk: [] }) },
      { calls: RESTORE_CALLS, act: async () => await made.vm.restore(request) },
    ];
    for (const { calls, act } of acts) {
      for (const call of calls) {
        await writeFile(faults, JSON.stringify([{ on: call, do: 'die' }]));
        await rejects(act(), 'vm_start_failed', 'vm_backend_failed', 'restore_failed', 'vm_crashed');
        assert.ok(made.vm.state === 'stopped' || made.vm.state === 'created', `${call}: ${made.vm.state}`);
        await nothingIsLeft(made, call);
        assert.deepEqual(await readdir(world.blobDirectory), blobs, call);
      }
    }
    await writeFile(faults, '[]');
  });

  test('is not lost when its process dies at any call of a snapshot: it goes on from the one before', async () => {
    const taken = join(world.directory, 'not-taken');
    await world.env.files.makeDirectory(taken);
    const request = await world.restoreRequest(snapshot);
    for (const call of SNAPSHOT_CALLS) {
      const { vm, places, events } = await world.make();
      await vm.restore(request);
      await writeFile(faults, JSON.stringify([{ ...call, do: 'die' }]));
      await rejects(vm.snapshot({ directory: taken, resume: true }), 'vm_crashed', 'vm_backend_failed');
      await untilState({ vm, places, events }, 'crashed', END_TIMEOUT_MS);
      await nothingIsLeft({ vm, places, events }, call.on);
      assert.deepEqual(await readdir(taken), [], call.on);
      await writeFile(faults, '[]');
    }
    const copy = await world.restore(snapshot);
    assert.equal(await world.run(copy, 'cat /root/kept'), 'kept');
    await copy.vm.stop({ force: true });
  });

  test('is refused what this host has no memory for, in one sentence', async () => {
    const message = 'Start microvm error: Memory error: Cannot allocate memory (os error 12)';
    await writeFile(faults, JSON.stringify([{ on: 'PUT /actions', do: 'refuse', message }]));
    const made = await world.make();
    await assert.rejects(made.vm.start({ disk: [] }), {
      code: 'vm_start_failed',
      message: 'this host has not enough free memory for the VM: stop others, or give it less (--memory).',
    });
    await writeFile(faults, '[]');
    await nothingIsLeft(made, 'the refusal');
  });

  test('goes on when a snapshot is refused, and the next one is whole', async () => {
    const refused = join(world.directory, 'refused');
    await world.env.files.makeDirectory(refused);
    const refusal = {
      on: 'PUT /snapshot/create',
      nth: 1,
      do: 'refuse',
      message: 'No space left on device (os error 28)',
    };
    await writeFile(faults, JSON.stringify([refusal]));
    await rejects(booted.vm.snapshot({ directory: refused, resume: true }), 'disk_full');
    await writeFile(faults, '[]');
    assert.equal(booted.vm.state, 'running');
    assert.deepEqual(await readdir(refused), []);
    assert.equal(await world.run(booted, 'cat /root/kept'), 'kept');
    const whole = await world.snapshot(booted, { resume: true });
    assert.ok(whole.memory.mappable !== null, 'what was noted of written pages was not trusted');
  });

  test('is not restored from a state with one flipped bit, nor from a memory of another size', async () => {
    const made = await world.make();
    const request = await world.restoreRequest(snapshot);
    const state = await readFile(request.deviceStatePath);
    const middle = state.length >> 1;
    state.writeUInt8(state.readUInt8(middle) ^ 1, middle);
    const flipped = join(world.directory, 'flipped');
    await writeFile(flipped, state);
    await rejects(made.vm.restore({ ...request, deviceStatePath: flipped }), 'snapshot_corrupt');
    await nothingIsLeft(made, 'a damaged state');
    const memory = pageFilePath(world.blobDirectory, request.memory.mappable ?? '');
    await truncate(memory, (await stat(memory)).size - PAGE_BYTES);
    await rejects(made.vm.restore(request), 'snapshot_corrupt');
    await nothingIsLeft(made, 'a short memory');
  });

  test('boots where an earlier process has left its socket and files', async () => {
    const made = await world.make();
    const stale = createServer().listen(join(made.places.runDirectory, 'api.sock'));
    await once(stale, 'listening');
    await writeFile(join(made.places.runDirectory, 'console.log'), 'old');
    await made.vm.restore(await world.restoreRequest(snapshot));
    assert.equal(await world.run(made, 'cat /root/kept'), 'kept');
    assert.doesNotMatch(fromUtf8Lossy(await made.vm.console()), /^old/);
    await made.vm.stop({ force: true });
    stale.close();
  });

  test('is refused what its jailer refuses, in the jailer’s words', { skip: whyNotCaged }, async () => {
    const { jail } = cagedOptions({ path: '/no/such/namespace' });
    const caged = createFirecrackerBackend(world.env, {
      cacheDirectory: directory,
      program: standIn,
      jail,
    });
    const made = await world.make();
    const vm = await caged.create(made.vm.id, made.vm.config, made.places);
    await assert.rejects(vm.start({ disk: [] }), (error) => {
      assert.ok(isKelpieError(error, 'vm_start_failed'), String(error));
      assert.match(error.message, /^Firecracker did not start: .*No such file or directory/);
      return true;
    });
    await nothingIsLeft(made, 'the refusal');
  });

  test('is refused a kernel that is none, with what to do', async () => {
    const kernel = join(world.directory, 'no-kernel');
    await writeFile(kernel, 'x'.repeat(10_000));
    const made = await world.make({}, { kernel });
    await rejects(made.vm.start({ disk: [] }), 'image_incompatible');
    assert.deepEqual(await world.leftovers(made), []);
  });
});
