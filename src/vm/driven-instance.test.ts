import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../env/clock.ts';
import { createNodeEnv } from '../env/node/env.ts';
import { KelpieError } from '../base/errors.ts';
import { SystemError } from '../env/system-error.ts';
import { exampleConfig } from '../../test/support/example-vm.ts';
import { refusedAs } from '../../test/support/store-fixture.ts';
import { AgentLink } from './agent-link.ts';
import { DrivenInstance } from './driven-instance.ts';
import type { LiveVmBase, VmDriver } from './vm-driver.ts';

const env = createNodeEnv();
/** Nothing of it is waited for but what is there already. */
const clock: Clock = {
  ...env.clock,
  sleep: async () => new Promise((resolve) => void setImmediate(resolve)),
};

function failed(what: string): KelpieError {
  return new KelpieError('vm_backend_failed', `the VMM did not ${what} in time.`);
}

/** A VMM that runs a VM: its answers are too late, to some acts after they were done, to others it has not done them. */
class LateVmm {
  isRunning = true;
  hasEnded = false;
  /** What supervises it now. */
  watchers = 0;
  readonly #acts: Readonly<Record<string, 'late' | 'undone'>>;

  constructor(acts: Readonly<Record<string, 'late' | 'undone'>>) {
    this.#acts = acts;
  }

  async set(act: string, isRunning: boolean): Promise<void> {
    const how = this.#acts[act];
    if (how !== 'undone') this.isRunning = isRunning;
    if (how !== undefined) throw failed(act);
  }

  async ask(): Promise<boolean> {
    if (this.#acts['ask'] !== undefined) throw failed('say');
    return !this.isRunning;
  }

  /** As `set`, of what is done to end it. */
  async endBy(act: string): Promise<void> {
    const how = this.#acts[act];
    if (how !== 'undone') this.hasEnded = true;
    if (how !== undefined) throw failed(act);
  }

  instance(state: 'running' | 'paused' = 'running'): DrivenInstance<LiveVmBase> {
    this.isRunning = state === 'running';
    const vm: LiveVmBase = {
      process: {
        identity: { pid: 1, startedAt: '' },
        ended: this.hasEnded ? Promise.resolve(null) : new Promise(() => undefined),
        hasEnded: () => this.hasEnded,
        end: async () => undefined,
      },
      link: new AgentLink(env, async () => Promise.reject(new KelpieError('guest_failed', 'no agent.'))),
      machine: {
        backend: 'qemu',
        backendVersion: '7.2',
        machineType: 'pc-q35-7.2',
        cpuModel: 'Nehalem-v1',
        accelerator: 'tcg',
        deviceLayout: 1,
      },
      memory: null,
      disk: [],
      guest: { bootId: '', generation: 0 },
    };
    return new DrivenInstance<LiveVmBase>(
      { id: 'a', config: exampleConfig, clock, driver: this.#driver() },
      { vm, state },
    );
  }

  #driver(): VmDriver<LiveVmBase> {
    const never = async (): Promise<never> => Promise.reject(failed('do that'));
    return {
      vmmName: 'QEMU',
      snapshotEndsConnections: false,
      boot: never,
      load: never,
      capture: async () => Promise.reject(new SystemError('ESRCH', 'open', '/proc/1/pagemap')),
      stopCpus: () => this.set('stop', false),
      continueCpus: () => this.set('continue', true),
      isPaused: () => this.ask(),
      mendWay: async () => false,
      end: () => this.endBy('end'),
      supervise: () => {
        this.watchers += 1;
        return () => {
          this.watchers -= 1;
        };
      },
      runtimeOf: () => {
        throw failed('tell');
      },
      console: never,
      keptConsole: async () => new Uint8Array(0),
      lastWords: never,
      release: () => undefined,
      clear: () => this.endBy('clear'),
    };
  }
}

test('a VM whose pause was answered too late goes on, and is called running', async () => {
  const vmm = new LateVmm({ stop: 'late' });
  const instance = vmm.instance();
  await assert.rejects(instance.pause(), /did not stop in time/);
  assert.equal(instance.state, 'running');
  assert.equal(vmm.isRunning, true);
});

test('a VM that stands since neither its pause nor what undoes it was answered is called paused', async () => {
  const vmm = new LateVmm({ stop: 'late', continue: 'undone' });
  const instance = vmm.instance();
  await assert.rejects(instance.pause(), /did not stop in time/);
  assert.equal(instance.state, 'paused');
});

test('a VM whose resume was answered too late runs, and is called so', async () => {
  const vmm = new LateVmm({ continue: 'late' });
  const instance = vmm.instance('paused');
  await instance.resume();
  assert.equal(instance.state, 'running');
  assert.equal(vmm.isRunning, true);
});

test('a VM that its VMM has not let go on stays paused, and whoever asked is told', async () => {
  const instance = new LateVmm({ continue: 'undone' }).instance('paused');
  await assert.rejects(instance.resume(), /did not continue in time/);
  assert.equal(instance.state, 'paused');
});

test('a VM that may go on at any time is called running, so that a snapshot of it stops it first', async () => {
  const instance = new LateVmm({ continue: 'late', ask: 'undone' }).instance('paused');
  await assert.rejects(instance.resume(), /did not continue in time/);
  assert.equal(instance.state, 'running');
});

for (const act of ['end', 'clear'])
  test(`a VM whose VMM has ended is stopped, also when its stop fails to ${act}`, async () => {
    const vmm = new LateVmm({ [act]: 'late' });
    const instance = vmm.instance('paused');
    await assert.rejects(instance.stop(), new RegExp(`did not ${act} in time`));
    assert.deepEqual([instance.state, instance.runtime, vmm.watchers], ['stopped', null, 0]);
  });

test('a VM that could not be stopped is watched on: its end is to be noticed', async () => {
  const vmm = new LateVmm({ end: 'undone' });
  const instance = vmm.instance();
  await assert.rejects(instance.stop(), /did not end in time/);
  assert.deepEqual([instance.state, vmm.watchers], ['running', 1]);
});

test('a snapshot that the system refuses since the VMM is gone says that the VM crashed', async () => {
  const vmm = new LateVmm({});
  const request = { directory: '/nowhere', resume: true };
  await refusedAs(vmm.instance().snapshot(request), 'io_failed');
  vmm.hasEnded = true;
  await refusedAs(vmm.instance().snapshot(request), 'vm_crashed');
});
