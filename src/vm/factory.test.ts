import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from '../base/errors.ts';
import { VmFactory } from './factory.ts';
import type { BackendProbe, VmBackend } from './instance.ts';

function backendThat(
  name: VmBackend['name'],
  usable: boolean,
  more: Partial<VmBackend> & { readonly isByNameOnly?: boolean } = {},
): VmBackend {
  const unused = (): Promise<never> => Promise.reject(new Error('not part of this test'));
  const { isByNameOnly = false, ...rest } = more;
  const probe: BackendProbe = {
    usable,
    isByNameOnly,
    version: null,
    findings: [`${name} is ${usable ? 'fine' : 'missing'}.`],
    accelerator: 'none',
    architectures: [],
    guests: [],
  };
  return {
    name,
    probe: () => Promise.resolve(probe),
    create: unused,
    adopt: unused,
    removeOrphan: unused,
    ...rest,
  };
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

const wanted = { architecture: 'x86_64', portability: 'any', publish: [] } as const;
const refusal = async (): Promise<string> => 'it emulates nothing.';

test('a backend that cannot be what the VM shall be is passed over, unless it is asked for', async () => {
  const factory = new VmFactory([backendThat('firecracker', true, { refusal }), backendThat('qemu', true)]);
  assert.equal((await factory.forHost()).backend.name, 'firecracker');
  assert.equal((await factory.forHost(wanted)).backend.name, 'qemu');
  await assert.rejects(
    factory.forVm('firecracker', wanted),
    (error) => isKelpieError(error, 'backend_unavailable') && error.message.includes('it emulates nothing.'),
  );
});

test('a program that was named is used by who asks for its backend, and never chosen', async () => {
  const named = backendThat('firecracker', true, { isByNameOnly: true });
  assert.equal((await new VmFactory([named, backendThat('qemu', true)]).forHost()).backend.name, 'qemu');
  await assert.rejects(new VmFactory([named]).forHost(), (error) =>
    isKelpieError(error, 'backend_unavailable'),
  );
  assert.equal((await new VmFactory([named]).forVm('firecracker', wanted)).backend.name, 'firecracker');
  const preferred = new VmFactory([named, backendThat('qemu', true)], 'firecracker');
  assert.equal((await preferred.forHost()).backend.name, 'firecracker');
});

test('a preferred backend that cannot be used is not replaced by another', async () => {
  const factory = new VmFactory(
    [backendThat('firecracker', false), backendThat('qemu', true)],
    'firecracker',
  );
  await assert.rejects(
    factory.forHost(),
    (error) => isKelpieError(error, 'backend_unavailable') && !error.message.includes('qemu'),
  );
});
