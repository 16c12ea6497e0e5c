import assert from 'node:assert/strict';
import test from 'node:test';
import { z } from 'zod';
import type { MachineFacts, VmConfig } from '../../snapshot/metadata.ts';
import { exampleConfig } from '../../../test/support/example-vm.ts';
import { option, qemuArguments } from './command-line.ts';
import type { CommandLine } from './command-line.ts';

const machine: MachineFacts = {
  backend: 'qemu',
  backendVersion: '7.2.22',
  machineType: 'pc-q35-7.2',
  cpuModel: 'Nehalem-v1',
  accelerator: 'tcg',
  deviceLayout: 1,
};
const image = {
  kernel: '/i/kernel',
  initramfs: '/i/initramfs',
  rootfs: '/i/rootfs',
  dataTemplate: '/i/data-template',
  kernelArguments: ['quiet'],
};

function lineOf(changes: Partial<CommandLine>, config: Partial<VmConfig> = {}): readonly string[] {
  return qemuArguments({
    machine,
    config: { ...exampleConfig, ...config },
    places: { runDirectory: '/run/kelpie', blobDirectory: '/blobs', image },
    memoryPath: '/blobs/m.pages',
    disk: [{ node: 'd0', path: '/blobs/0.raw', format: 'raw' }],
    mode: 'boot',
    hasSandbox: true,
    ...changes,
  });
}

/** The values of an option that may be given several times. */
function values(line: readonly string[], name: string): readonly string[] {
  return line.flatMap((word, index) => (word === name ? [line[index + 1] ?? ''] : []));
}

test('device layout 1: what is where never changes', () => {
  assert.deepEqual(values(lineOf({}), '-device'), [
    'virtio-blk-pci,bus=pcie.0,addr=0x2,disable-legacy=on,id=root,drive=root',
    'virtio-blk-pci,bus=pcie.0,addr=0x3,disable-legacy=on,id=data,drive=d0',
    'virtio-serial-pci,bus=pcie.0,addr=0x4,disable-legacy=on,id=serial,ioeventfd=off',
    'virtserialport,bus=serial.0,nr=1,chardev=agent,name=dev.kelpie.agent.0',
    'virtio-rng-pci,bus=pcie.0,addr=0x5,disable-legacy=on,id=rng,rng=random',
    'virtio-net-pci,bus=pcie.0,addr=0x6,disable-legacy=on,id=nic,netdev=net,romfile=',
  ]);
  assert.deepEqual(values(lineOf({}), '-machine'), [
    'pc-q35-7.2,memory-backend=ram,mem-merge=off,dump-guest-core=off,suppress-vmdesc=on,smm=off,vmport=off,sata=off,smbus=off,usb=off',
  ]);
});

test('only an emulated CPU kicks the serial queues itself', () => {
  const line = lineOf({ machine: { ...machine, accelerator: 'kvm', cpuModel: 'host' } });
  assert.ok(
    values(line, '-device').includes('virtio-serial-pci,bus=pcie.0,addr=0x4,disable-legacy=on,id=serial'),
  );
});

test('memory is a private mapping', () => {
  assert.ok(
    values(lineOf({}), '-object').includes(
      'memory-backend-file,id=ram,size=512M,mem-path=/blobs/m.pages,share=off',
    ),
  );
});

test('no instruction is executed before we say so, whether it boots or loads', () => {
  const boot = lineOf({});
  const load = lineOf({ mode: 'load' });
  assert.ok(boot.includes('-S') && load.includes('-S'));
  assert.deepEqual(values(boot, '-incoming'), []);
  assert.deepEqual(values(load, '-incoming'), ['defer']);
  assert.deepEqual(values(load, '-kernel'), []);
});

test('only the top layer of the disk is writable', () => {
  const disk = [
    { node: 'd0', path: '/blobs/0.raw', format: 'raw' },
    { node: 'd1', path: '/blobs/1.qcow2', format: 'qcow2' },
    { node: 'd2', path: '/blobs/2.qcow2', format: 'qcow2' },
  ] as const;
  const line = lineOf({ disk });
  const nodeSchema = z.object({
    'node-name': z.string(),
    'read-only': z.boolean(),
    backing: z.string().optional(),
  });
  const nodes = values(line, '-blockdev').map((text) => nodeSchema.parse(JSON.parse(text)));
  assert.deepEqual(
    nodes.map((node) => [node['node-name'], node['read-only'], node.backing]),
    [
      ['root', true, undefined],
      ['d0', true, undefined],
      ['d1', true, 'd0'],
      ['d2', false, 'd1'],
    ],
  );
  assert.ok(values(line, '-device').some((device) => device.endsWith('id=data,drive=d2')));
});

test('published ports are bound to this host alone', () => {
  const publish = [
    { hostPort: 8080, guestPort: 80 },
    { hostPort: 2222, guestPort: 22 },
  ];
  assert.deepEqual(values(lineOf({}, { publish }), '-netdev'), [
    'user,id=net,hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=tcp:127.0.0.1:2222-:22',
  ]);
});

test('a VM that can go anywhere is emulated by one thread', () => {
  assert.deepEqual(values(lineOf({}, { portability: 'any' }), '-accel'), ['tcg,thread=single']);
  assert.deepEqual(values(lineOf({}, { portability: 'arch' }), '-accel'), ['tcg,thread=multi']);
  assert.deepEqual(values(lineOf({ machine: { ...machine, accelerator: 'kvm' } }), '-accel'), ['kvm']);
});

test('the kernel hears of its console, disks, network and name, and of emulation only where it is', () => {
  const wordsOf = (line: readonly string[]): readonly string[] =>
    (values(line, '-append')[0] ?? '').split(' ');
  assert.deepEqual(wordsOf(lineOf({})), [
    'console=ttyS0',
    'quiet',
    'mitigations=off',
    'tsc=unstable',
    'kelpie.root=/dev/vda',
    'kelpie.data=/dev/vdb',
    'kelpie.net=10.0.2.15/24,10.0.2.2,10.0.2.3',
    'kelpie.hostname=dev',
  ]);
  const accelerated = wordsOf(lineOf({ machine: { ...machine, accelerator: 'kvm' } }));
  assert.ok(!accelerated.includes('mitigations=off') && !accelerated.includes('tsc=unstable'));
  assert.equal(wordsOf(lineOf({}, { architecture: 'arm64' }))[0], 'console=ttyAMA0');
});

test('the sandbox is there where the host has one', () => {
  assert.equal(values(lineOf({}), '-sandbox').length, 1);
  assert.equal(values(lineOf({ hasSandbox: false }), '-sandbox').length, 0);
});

test('a comma in a path does not begin another option', () => {
  assert.equal(option({ '': 'socket', path: '/a,b/c' }), 'socket,path=/a,,b/c');
});
