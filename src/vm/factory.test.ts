import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from '../base/errors.ts';
import { VmFactory } from './factory.ts';
import type { BackendProbe, VmBackend } from './instance.ts';

function backendThat(name: VmBackend['name'], usable: boolean): VmBackend {
  const unused = (): Promise<never> => Promise.reject(new Error('not part of this test'));
  const probe: BackendProbe = {
    usable,
    version: null,
    findings: [`${name} is ${usable ? 'fine' : 'missing'}.`],
    accelerator: 'none',
    architectures: [],
    guests: [],
  };
  return { name, probe: () => Promise.resolve(probe), create: unused, adopt: unused, removeOrphan: unused };
}

test('the first usable backend is chosen', async () => {
  const factory = new VmFactory([backendThat('firecracker', false), backendThat('qemu', true)]);
  const { backend } = await factory.forHost();
  assert.equal(backend.name, 'qemu');
});

test('without a usable backend the error says what each one lacks', async () => {
  const factory = new VmFactory([backendThat('firecracker', false), backendThat('qemu', false)]);
  await assert.rejects(
    factory.forHost(),
    (error) =>
      isKelpieError(error, 'backend_unavailable') &&
      error.message.includes('firecracker is missing.') &&
      error.message.includes('qemu is missing.'),
  );
});

test('a VM goes on with the backend that it was made on, or not at all', () => {
  const factory = new VmFactory([backendThat('qemu', true)]);
  assert.equal(factory.byName('qemu').name, 'qemu');
  assert.throws(
    () => factory.byName('vz'),
    (error) => isKelpieError(error, 'backend_unavailable'),
  );
});
