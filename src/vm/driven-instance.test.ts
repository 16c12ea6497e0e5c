import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../env/clock.ts';
import { createNodeEnv } from '../env/node/env.ts';
import { KelpieError } from '../base/errors.ts';
import { exampleConfig } from '../../test/support/example-vm.ts';
import { AgentLink } from './agent-link.ts';
import { DrivenInstance } from './driven-instance.ts';
import type { LiveVmBase, VmDriver } from './vm-driver.ts';

const env = createNodeEnv();
/** Nothing of it is waited for. */
const clock: Clock = { ...env.clock, sleep: async () => undefined };

function failed(what: string): KelpieError {
  return new KelpieError('vm_backend_failed', `the VMM did not ${what} in time.`);
}

/** A VMM that runs a VM: its answers are too late, to some acts after they were done, to others it has not done them. */
class LateVmm {
  isRunning = true;
  readonly #acts: Readonly<Record<string, 'late' | 'undone'>>;

  constructor(acts: Readonly<Record<string, 'late' | 'undone'>>) {
    this.#acts = acts;
  }

  async set(act: string, isRunning: boolean): Promise<void> {
    const how = this.#acts[act];
    if (how !== 'undone') this.isRunning = isRunning;
    if (how !== undefined) throw failed(act);
  }

  instance(): DrivenInstance<LiveVmBase> {
    const vm: LiveVmBase = {
      process: {
        identity: { pid: 1, startedAt: '' },
        ended: new Promise(() => undefined),
        hasEnded: () => false,
        end: async () => undefined,
      },
      link: new AgentLink(env, async () => Promise.reject(failed('connect'))),
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
      { vm, state: 'running' },
    );
  }

  #driver(): VmDriver<LiveVmBase> {
    const never = async (): Promise<never> => Promise.reject(failed('do that'));
    return {
      vmmName: 'QEMU',
      snapshotEndsConnections: false,
      boot: never,
      load: never,
      capture: never,
      stopCpus: () => this.set('stop', false),
      continueCpus: () => this.set('continue', true),
      isPaused: async () => !this.isRunning,
      mendWay: async () => false,
      end: never,
      supervise: () => () => undefined,
      runtimeOf: () => {
        throw failed('tell');
      },
      console: never,
      keptConsole: never,
      lastWords: never,
      release: () => undefined,
      clear: never,
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
