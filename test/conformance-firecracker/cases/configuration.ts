import assert from 'node:assert/strict';
import type { Answer } from '../api-client.ts';
import type { Case } from '../case.ts';
import { done, object, refused, state } from '../expect.ts';
import type { UnderTest } from '../under-test.ts';

/** A request that must be refused and change nothing. */
interface Bad {
  readonly what: string;
  readonly ask: (one: UnderTest) => Promise<Answer>;
}

const machine = { vcpu_count: 2, mem_size_mib: 64 };

const badRequests: readonly Bad[] = [
  { what: 'a field that nobody knows', ask: (one) => one.put('/machine-config', { ...machine, colour: 1 }) },
  { what: 'a field that is missing', ask: (one) => one.put('/machine-config', { vcpu_count: 1 }) },
  { what: 'a text for a number', ask: (one) => one.put('/machine-config', { ...machine, vcpu_count: '1' }) },
  { what: 'a negative number', ask: (one) => one.put('/machine-config', { ...machine, mem_size_mib: -1 }) },
  { what: 'a fraction', ask: (one) => one.put('/machine-config', { ...machine, mem_size_mib: 1.5 }) },
  { what: 'no processor', ask: (one) => one.put('/machine-config', { ...machine, vcpu_count: 0 }) },
  { what: '33 processors', ask: (one) => one.put('/machine-config', { ...machine, vcpu_count: 33 }) },
  { what: 'no memory', ask: (one) => one.put('/machine-config', { ...machine, mem_size_mib: 0 }) },
  {
    what: 'a page size that there is not',
    ask: (one) => one.put('/machine-config', { ...machine, huge_pages: '3M' }),
  },
  { what: 'what is not JSON', ask: (one) => one.put('/machine-config', '{"vcpu_count":') },
  { what: 'an empty body', ask: (one) => one.put('/machine-config', undefined) },
  { what: 'an empty change', ask: (one) => one.patch('/machine-config', {}) },
  { what: 'a path that there is not', ask: (one) => one.put('/colour', {}) },
  {
    what: 'a method that the path has not',
    ask: (one) => one.patch('/boot-source', { kernel_image_path: 'k' }),
  },
  { what: 'a state that there is not', ask: (one) => one.patch('/vm', { state: 'Asleep' }) },
  { what: 'an action that there is not', ask: (one) => one.put('/actions', { action_type: 'Dance' }) },
  {
    what: 'a kernel that is not there',
    ask: (one) => one.put('/boot-source', { kernel_image_path: 'none' }),
  },
  {
    what: 'a drive whose file is not there',
    ask: (one) => one.put('/drives/a', drive('a', { path_on_host: 'none' })),
  },
  { what: 'another id in the body than in the path', ask: (one) => one.put('/drives/a', drive('b')) },
  { what: 'an id with a hyphen in the path', ask: (one) => one.put('/drives/a-b', drive('a-b')) },
  {
    what: 'a metrics file in no folder',
    ask: (one) => one.put('/metrics', { metrics_path: 'none/metrics' }),
  },
  { what: 'a start without a kernel', ask: (one) => one.put('/actions', { action_type: 'InstanceStart' }) },
];

const tooEarly: readonly Bad[] = [
  { what: 'a pause', ask: (one) => one.patch('/vm', { state: 'Paused' }) },
  { what: 'a resume', ask: (one) => one.patch('/vm', { state: 'Resumed' }) },
  {
    what: 'a snapshot',
    ask: (one) => one.put('/snapshot/create', { snapshot_path: 's', mem_file_path: 'm' }),
  },
  { what: 'a change of a drive', ask: (one) => one.patch('/drives/a', { drive_id: 'a' }) },
  { what: 'a flush of metrics', ask: (one) => one.put('/actions', { action_type: 'FlushMetrics' }) },
];

function drive(id: string, more: Readonly<Record<string, unknown>> = {}): object {
  return { drive_id: id, path_on_host: 'disk', is_root_device: false, is_read_only: false, ...more };
}

export const configurationCases: readonly Case[] = [
  {
    name: 'a fresh process tells its id, its version and that nothing runs',
    run: async (world) => {
      const one = await world.launch('some-vm');
      const info = object(await one.get('/'));
      assert.equal(info['id'], 'some-vm');
      assert.equal(info['state'], 'Not started');
      assert.equal(info['vmm_version'], world.version);
      assert.equal(object(await one.get('/version'))['firecracker_version'], world.version);
    },
  },
  {
    name: 'a machine has one processor and 128 MiB until it is told otherwise',
    run: async (world) => {
      const one = await world.launch();
      const config = object(await one.get('/machine-config'));
      assert.equal(config['vcpu_count'], 1);
      assert.equal(config['mem_size_mib'], 128);
    },
  },
  {
    name: 'a machine is what was put, and a change of a part leaves the rest',
    run: async (world) => {
      const one = await world.launch();
      done(await one.put('/machine-config', { ...machine, track_dirty_pages: true }));
      done(await one.patch('/machine-config', { mem_size_mib: 96 }));
      const config = object(await one.get('/machine-config'));
      assert.equal(config['vcpu_count'], 2);
      assert.equal(config['mem_size_mib'], 96);
      assert.equal(config['track_dirty_pages'], true);
    },
  },
  {
    name: 'the whole configuration is told as it was put',
    run: async (world) => {
      const one = await world.launch();
      await one.write('disk', Buffer.alloc(4096));
      done(await one.put('/drives/data', drive('data')));
      done(await one.put('/vsock', { guest_cid: 3, uds_path: 'v.sock' }));
      const config = object(await one.get('/vm/config'));
      assert.match(JSON.stringify(config['drives']), /"path_on_host":"disk"/);
      assert.match(JSON.stringify(config['vsock']), /"uds_path":"v.sock"/);
    },
  },
  {
    name: 'a second root device is refused',
    run: async (world) => {
      const one = await world.launch();
      await one.write('disk', Buffer.alloc(4096));
      done(await one.put('/drives/a', drive('a', { is_root_device: true })));
      refused(await one.put('/drives/b', drive('b', { is_root_device: true })));
    },
  },
  {
    name: 'a kernel that is no kernel does not start',
    run: async (world) => {
      const one = await world.launch();
      await one.write('text', 'this is not a kernel, but a text that is longer than a header '.repeat(99));
      const put = await one.put('/boot-source', { kernel_image_path: 'text' });
      if (put.status === 204) refused(await one.put('/actions', { action_type: 'InstanceStart' }));
      else refused(put);
    },
  },
  {
    name: `each of ${badRequests.length} bad requests is refused, and changes nothing`,
    run: async (world) => {
      const one = await world.launch();
      await one.write('disk', Buffer.alloc(4096));
      const before = object(await one.get('/vm/config'));
      for (const { what, ask } of badRequests) {
        const answer = await ask(one);
        assert.equal(answer.status, 400, `${what}: expected a refusal, not ${answer.status}`);
        refused(answer);
        assert.deepEqual(object(await one.get('/vm/config')), before, `${what} changed something`);
        assert.equal(await state(one), 'Not started', what);
      }
    },
  },
  {
    name: 'before a start there is nothing to pause, to snapshot or to change',
    run: async (world) => {
      const one = await world.launch();
      for (const { ask } of tooEarly) refused(await ask(one));
    },
  },
];
