import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import type { MachineFacts, VmConfig } from '../../snapshot/metadata.ts';
import { exampleConfig } from '../../../test/support/example-vm.ts';
import { assertCanRun, chooseMachine } from './machine.ts';
import type { QemuAbilities } from './machine.ts';

const abilities: QemuAbilities = {
  program: '/usr/bin/qemu-system-x86_64',
  version: '7.2.22',
  machineTypes: ['none', 'q35', 'pc-q35-7.1', 'pc-q35-7.2', 'pc-i440fx-7.2'],
  cpuModels: { tcg: ['Nehalem-v1', 'Nehalem-v2'], kvm: ['Nehalem-v1', 'host'] },
  commands: [],
  accelerator: 'kvm',
};
const config = (changes: Partial<VmConfig>): VmConfig => ({ ...exampleConfig, ...changes });

test('portability decides the CPU and the accelerator', () => {
  const chosen = (portability: VmConfig['portability']): readonly string[] => {
    const { cpuModel, accelerator } = chooseMachine(config({ portability }), abilities);
    return [cpuModel, accelerator];
  };
  assert.deepEqual(chosen('host'), ['host', 'kvm']);
  assert.deepEqual(chosen('arch'), ['Nehalem-v1', 'kvm']);
  assert.deepEqual(chosen('any'), ['Nehalem-v1', 'tcg']);
});

test('without hardware help there is no CPU to pass through', () => {
  const { cpuModel, accelerator } = chooseMachine(config({ portability: 'host' }), {
    ...abilities,
    accelerator: 'tcg',
  });
  assert.deepEqual([cpuModel, accelerator], ['Nehalem-v1', 'tcg']);
});

test('the machine type has a version, and is the one that most hosts have', () => {
  const typeWith = (...machineTypes: readonly string[]): string =>
    chooseMachine(config({}), { ...abilities, machineTypes }).machineType;
  assert.equal(typeWith(...abilities.machineTypes), 'pc-q35-7.2');
  assert.equal(typeWith('q35', 'pc-q35-9.0', 'pc-q35-10.1', 'pc-q35-9.2'), 'pc-q35-10.1');
  assert.throws(
    () => typeWith('q35', 'virt-9.0'),
    (error) => isKelpieError(error, 'backend_unavailable'),
  );
});

test('a machine of this host can run here', () => {
  assertCanRun(chooseMachine(config({}), abilities), 'x86_64', abilities);
});

test('a machine of another host is refused with every reason at once', () => {
  const foreign: MachineFacts = {
    backend: 'firecracker',
    backendVersion: '1',
    machineType: 'pc-q35-9.9',
    cpuModel: 'SapphireRapids-v1',
    accelerator: 'hvf',
    deviceLayout: 9,
  };
  assert.throws(
    () => assertCanRun(foreign, 'x86_64', abilities),
    (error) => {
      assert.ok(isKelpieError(error, 'restore_incompatible'));
      const { reasons } = error.data;
      assert.ok(Array.isArray(reasons));
      assert.equal(reasons.length, 5);
      return true;
    },
  );
});

test('a machine type that is no machine type is refused, also when QEMU has it', () => {
  const machine = { ...chooseMachine(config({}), abilities), machineType: 'none' };
  assert.throws(
    () => assertCanRun(machine, 'x86_64', abilities),
    (error) => isKelpieError(error, 'restore_incompatible'),
  );
});
