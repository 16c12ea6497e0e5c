import assert from 'node:assert/strict';
import test from 'node:test';
import type { Architecture } from '../../snapshot/metadata.ts';
import { imageKernelArguments } from '../../image/kernel-arguments.ts';
import { exampleConfig } from '../../../test/support/example-vm.ts';
import { bootArguments } from './boot.ts';
import { noNetwork } from './network.ts';
import type { Network } from './network.ts';

const user: Network = { kind: 'user', program: '/usr/bin/slirp4netns' };

function words(architecture: Architecture, network: Network): readonly string[] {
  const image = { kernelArguments: imageKernelArguments(architecture) };
  return bootArguments({ ...exampleConfig, architecture }, image, network).split(' ');
}

test('a guest is told its console, its devices and its name, on both architectures', () => {
  for (const architecture of ['x86_64', 'arm64'] as const) {
    const told = words(architecture, noNetwork);
    assert.deepEqual(
      told.filter((word) => /^(?:console|kelpie\.(?:root|data|hostname|net))=/.test(word)),
      ['console=ttyS0', 'kelpie.root=/dev/vda', 'kelpie.data=/dev/vdb', 'kelpie.hostname=dev'],
    );
  }
});

test('a guest ends its Firecracker by a restart on x86_64, which takes the keyboard controller, and by turning itself off on arm64', () => {
  const x86 = words('x86_64', noNetwork);
  assert.ok(x86.includes('reboot=k') && x86.includes('kelpie.off=restart'));
  assert.deepEqual(
    x86.filter((word) => word.startsWith('i8042.')),
    [],
  );
  assert.deepEqual(
    words('arm64', noNetwork).filter((word) => /^(?:reboot|kelpie\.off)=/.test(word)),
    [],
  );
});

test('a guest has addresses on a network of its own alone', () => {
  assert.ok(words('arm64', user).includes('kelpie.net=10.0.2.15/24,10.0.2.2,10.0.2.3'));
  assert.ok(!words('arm64', { kind: 'tap', bridge: null }).some((word) => word.startsWith('kelpie.net=')));
});
