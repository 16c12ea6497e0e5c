import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { done, refused, state } from '../expect.ts';
import { configure, pause, resume, snapshot, start } from '../machine.ts';
import type { UnderTest } from '../under-test.ts';

const tooLate: readonly (readonly [path: string, body: unknown])[] = [
  ['/machine-config', { vcpu_count: 1, mem_size_mib: 64 }],
  ['/boot-source', { kernel_image_path: 'kernel' }],
  ['/vsock', { guest_cid: 3, uds_path: 'late.sock' }],
  ['/actions', { action_type: 'InstanceStart' }],
  ['/snapshot/load', { snapshot_path: 's', mem_backend: { backend_type: 'File', backend_path: 'm' } }],
];

export const lifeCases: readonly Case[] = [
  {
    name: 'a machine starts, runs, stands still and goes on',
    run: async (world) => {
      const one = await world.launch();
      await start(world, one);
      assert.equal(await state(one), 'Running');
      await pause(one);
      assert.equal(await state(one), 'Paused');
      await resume(one);
      assert.equal(await state(one), 'Running');
    },
  },
  {
    name: 'a second pause and a second resume change nothing',
    run: async (world) => {
      const one = await world.launch();
      await start(world, one);
      await pause(one);
      await pause(one);
      assert.equal(await state(one), 'Paused');
      await resume(one);
      await resume(one);
      assert.equal(await state(one), 'Running');
    },
  },
  {
    name: 'once it runs, what belongs before the start is refused',
    run: async (world) => {
      const one = await world.launch();
      await start(world, one);
      for (const [path, body] of tooLate) refused(await one.put(path, body));
      assert.equal(await state(one), 'Running');
    },
  },
  {
    name: 'a snapshot of a machine that runs is refused, and it goes on',
    run: async (world) => {
      const one = await world.launch();
      await start(world, one);
      refused(await one.put('/snapshot/create', { snapshot_path: 's', mem_file_path: 'm' }));
      assert.equal(await state(one), 'Running');
    },
  },
  {
    name: 'metrics go to their file when asked for, as lines of JSON',
    run: async (world) => {
      const one = await world.launch();
      done(await one.put('/metrics', { metrics_path: await emptyFile(one, 'metrics') }));
      await start(world, one);
      done(await one.put('/actions', { action_type: 'FlushMetrics' }));
      const lines = (await one.readText('metrics')).trimEnd().split('\n');
      assert.ok(lines.length > 0);
      for (const line of lines) assert.equal(typeof JSON.parse(line), 'object');
    },
  },
  {
    name: 'the log goes to its file',
    run: async (world) => {
      const one = await world.launch();
      done(await one.put('/logger', { log_path: await emptyFile(one, 'log'), level: 'Info' }));
      await start(world, one);
      assert.match(await one.readText('log'), /\S/);
    },
  },
  {
    name: 'a killed process leaves no process behind',
    run: async (world) => {
      const one = await world.launch();
      await start(world, one);
      await one.kill();
      assert.deepEqual(one.descendants(), []);
    },
  },
  {
    name: 'a process that is asked to end by SIGTERM ends, before a start, running and paused',
    run: async (world) => {
      const fresh = await world.launch();
      await configure(world, fresh);
      await fresh.kill('SIGTERM');
      const running = await world.launch();
      await start(world, running);
      await running.kill('SIGTERM');
      const paused = await world.launch();
      await start(world, paused);
      await pause(paused);
      await snapshot(paused, 'last');
      await paused.kill('SIGTERM');
    },
  },
];

/** Older versions write to files that are there already. */
async function emptyFile(one: UnderTest, name: string): Promise<string> {
  await one.write(name, '');
  return one.path(name);
}
