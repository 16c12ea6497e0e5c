import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import type { CpuFacts, MachineFacts, VmConfig } from '../../snapshot/metadata.ts';
import { exampleConfig } from '../../../test/support/example-vm.ts';
import { templateFor } from './abilities.ts';
import type { FirecrackerAbilities } from './abilities.ts';
import { assertCanRun, chooseMachine, factsOf, goingOn, refusalOf } from './machine.ts';
import { noNetwork } from './network.ts';
import type { Network } from './network.ts';
import { featuresOf } from './version.ts';

const version = { major: 1, minor: 16, patch: 1 };
const abilities: FirecrackerAbilities = {
  program: '/usr/bin/firecracker',
  version,
  features: featuresOf(version),
  snapshotVersion: { major: 10, minor: 2, patch: 0 },
  cpuTemplate: 'T2',
};
const tap: Network = { kind: 'tap', bridge: null };
const user: Network = { kind: 'user', program: '/usr/bin/slirp4netns' };
const config: VmConfig = { ...exampleConfig, portability: 'arch', publish: [] };
const machine: MachineFacts = chooseMachine(config, 'x86_64', abilities, noNetwork);

function cpu(vendor: string, family: number, model: number): CpuFacts {
  return { vendor, family, model, modelName: 'a CPU', flags: [] };
}

test('a new VM has the template of its host’s CPU, or the CPU itself', () => {
  assert.deepEqual(machine, {
    backend: 'firecracker',
    backendVersion: '1.16.1',
    machineType: 'snapshot-10.2',
    cpuModel: 'T2',
    accelerator: 'kvm',
    deviceLayout: 1,
  });
  assert.equal(
    chooseMachine({ ...config, portability: 'host' }, 'x86_64', abilities, noNetwork).cpuModel,
    'host',
  );
});

test('a template is offered only on the CPUs that it is made for', () => {
  assert.equal(templateFor(cpu('GenuineIntel', 6, 85)), 'T2');
  assert.equal(templateFor(cpu('GenuineIntel', 6, 106)), 'T2');
  assert.equal(templateFor(cpu('AuthenticAMD', 25, 1)), 'T2A');
  assert.equal(templateFor(cpu('0x41', 0xd40, 1)), 'V1N1');
  for (const other of [cpu('GenuineIntel', 6, 143), cpu('AuthenticAMD', 25, 17), cpu('0x41', 0xd0c, 3), null])
    assert.equal(templateFor(other), null);
});

test('what Firecracker cannot be is refused with what to do instead', () => {
  const refused = (
    wanted: Partial<VmConfig>,
    cpuTemplate: FirecrackerAbilities['cpuTemplate'] = 'T2',
  ): string => refusalOf({ ...config, ...wanted }, 'x86_64', { cpuTemplate }, noNetwork) ?? '';
  assert.match(refused({ architecture: 'arm64' }), /use the qemu backend/);
  assert.match(refused({ portability: 'any' }), /--portability arch/);
  assert.match(refused({ portability: 'arch' }, null), /--portability host/);
  assert.match(refused({ publish: [{ hostPort: 1, guestPort: 2 }] }), /publishes no ports/);
  assert.equal(refused({}), '');
  assert.throws(
    () => chooseMachine({ ...config, portability: 'any' }, 'x86_64', abilities, noNetwork),
    (error) => isKelpieError(error, 'backend_unavailable'),
  );
});

test('every reason against a restore is told at once', () => {
  assert.doesNotThrow(() => assertCanRun(machine, config, abilities, noNetwork));
  assert.doesNotThrow(() =>
    assertCanRun({ ...machine, machineType: 'snapshot-10.0' }, config, abilities, noNetwork),
  );
  const foreign: MachineFacts = {
    backend: 'qemu',
    backendVersion: '1.17.0',
    machineType: 'snapshot-11.0',
    cpuModel: 'T2A',
    accelerator: 'kvm',
    deviceLayout: 7,
  };
  assert.throws(
    () => assertCanRun(foreign, config, abilities, noNetwork),
    (error) => {
      assert.ok(isKelpieError(error, 'restore_incompatible'));
      const { reasons } = error.data;
      assert.ok(Array.isArray(reasons));
      assert.equal(reasons.length, 5, error.message);
      return true;
    },
  );
  for (const machineType of ['snapshot-10.3', 'snapshot-9.0', 'snapshot-10', 'pc-q35-7.2'])
    assert.throws(() => assertCanRun({ ...machine, machineType }, config, abilities, noNetwork), machineType);
});

test('a machine that goes on here is from here on one of this Firecracker', () => {
  const older = { ...machine, backendVersion: '1.15.0', machineType: 'snapshot-10.0', cpuModel: 'T2A' };
  assert.deepEqual(goingOn(older, abilities), { ...machine, cpuModel: 'T2A' });
});

test('a VM with a network card goes on where VMs are given one, and one without goes on anywhere', () => {
  const networked = chooseMachine(config, 'x86_64', abilities, tap);
  assert.equal(networked.deviceLayout, 2);
  for (const one of [machine, networked])
    assert.doesNotThrow(() => assertCanRun(one, config, abilities, tap));
  assert.throws(
    () => assertCanRun(networked, config, abilities, noNetwork),
    (error) =>
      isKelpieError(error, 'restore_incompatible') && /KELPIE_FIRECRACKER_NETWORK/.test(error.message),
  );
});

test('ports are published by a network that takes no rights alone, and by a card', () => {
  const published = { ...config, publish: [{ hostPort: 8080, guestPort: 80 }] };
  const networked = chooseMachine(published, 'x86_64', abilities, user);
  assert.equal(networked.deviceLayout, 2);
  assert.doesNotThrow(() => assertCanRun(networked, published, abilities, user));
  const refused: readonly (readonly [MachineFacts, Network, RegExp])[] = [
    [networked, tap, /ports cannot be published: .*KELPIE_FIRECRACKER_NETWORK=user/],
    [networked, noNetwork, /has a network card/],
    [machine, user, /ports cannot be published: it has no network card/],
  ];
  for (const [one, network, sentence] of refused)
    assert.throws(() => assertCanRun(one, published, abilities, network), sentence);
  assert.throws(() => chooseMachine(published, 'x86_64', abilities, tap), /use the qemu backend/);
});

test('what the host says of itself names every state that it reads', () => {
  const facts = factsOf(abilities, 'x86_64', { isKvmUsable: true, network: tap });
  assert.deepEqual(facts.machineTypes, ['snapshot-10.0', 'snapshot-10.1', 'snapshot-10.2']);
  assert.deepEqual(facts.cpuModels, { kvm: ['host', 'T2'] });
  assert.deepEqual(facts.accelerators, ['kvm']);
  assert.deepEqual(facts.deviceLayouts, [1, 2]);
  assert.deepEqual(factsOf(abilities, 'x86_64', { isKvmUsable: false, network: noNetwork }).accelerators, []);
});
