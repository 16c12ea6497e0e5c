import assert from 'node:assert/strict';
import test from 'node:test';
import { checkCompatibility, incompatible } from './compatibility.ts';
import type { SnapshotMetadata } from '../snapshot/metadata.ts';
import type { HostAbilities } from './compatibility.ts';

const metadata: SnapshotMetadata = {
  formatVersion: 1,
  snapshotId: '00000000-0000-4000-8000-000000000001',
  vmId: '00000000-0000-4000-8000-000000000002',
  parentId: null,
  kind: 'teleport',
  message: '',
  createdAtUnixMs: 0,
  config: {
    name: 'dev',
    architecture: 'x86_64',
    vcpuCount: 1,
    memoryMib: 512,
    diskMib: 1024,
    image: { name: 'base', version: '1.0.0', digest: 'a'.repeat(64) },
    portability: 'arch',
    publish: [],
  },
  machine: {
    backend: 'qemu',
    backendVersion: '7.2.22',
    machineType: 'pc-q35-7.2',
    cpuModel: 'Nehalem-v1',
    accelerator: 'tcg',
    deviceLayout: 1,
  },
  guest: { bootId: '0'.repeat(32), generation: 0 },
};

const host: HostAbilities = {
  architecture: 'x86_64',
  architectures: ['x86_64', 'arm64'],
  backend: 'qemu',
  backendVersion: '7.2.22',
  accelerator: 'tcg',
  machineTypes: ['pc-q35-7.2'],
  cpuModels: ['Nehalem-v1'],
};

function reasonsWith(
  machine: Partial<SnapshotMetadata['machine']>,
  abilities: Partial<HostAbilities>,
): readonly string[] {
  return checkCompatibility(
    { ...metadata, machine: { ...metadata.machine, ...machine } },
    { ...host, ...abilities },
  ).reasons;
}

test('the same kind of host can run it', () => {
  assert.deepEqual(checkCompatibility(metadata, host), { reasons: [], notices: [] });
});

test('what a host does not tell does not count against it', () => {
  assert.deepEqual(reasonsWith({}, { machineTypes: null, cpuModels: null }), []);
});

test('another version of the backend is told, and no hindrance', () => {
  const { reasons, notices } = checkCompatibility(metadata, { ...host, backendVersion: '9.1.0' });
  assert.deepEqual([reasons.length, notices.length], [0, 1]);
});

test('each difference that matters is a reason', () => {
  assert.match(reasonsWith({}, { architectures: ['arm64'] })[0] ?? '', /x86_64/);
  assert.match(reasonsWith({}, { architecture: 'arm64' })[0] ?? '', /portability/);
  assert.match(reasonsWith({ backend: 'firecracker' }, {})[0] ?? '', /firecracker/);
  assert.match(reasonsWith({ machineType: 'pc-q35-9.9' }, {})[0] ?? '', /pc-q35-9\.9/);
  assert.match(reasonsWith({ cpuModel: 'Icelake-Server-v7' }, {})[0] ?? '', /Icelake/);
  assert.match(reasonsWith({ accelerator: 'kvm' }, {})[0] ?? '', /KVM/);
  assert.match(reasonsWith({ accelerator: 'hvf' }, {})[0] ?? '', /Mac/);
  assert.match(reasonsWith({ cpuModel: 'host', accelerator: 'kvm' }, { accelerator: 'hvf' })[0] ?? '', /CPU/);
});

test('all reasons are told at once', () => {
  const reasons = reasonsWith(
    { machineType: 'virt-9.9', cpuModel: 'x', accelerator: 'kvm' },
    { architectures: ['arm64'] },
  );
  assert.equal(reasons.length, 4);
  const error = incompatible('dev', reasons);
  assert.equal(error.code, 'restore_incompatible');
  assert.deepEqual(error.data['reasons'], reasons);
});
