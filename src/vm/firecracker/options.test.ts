import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from '../../base/errors.ts';
import { firecrackerOptions } from './options.ts';
import type { FirecrackerBackendOptions } from './backend.ts';

function optionsOf(variables: Readonly<Record<string, string>>): FirecrackerBackendOptions {
  return firecrackerOptions({ variable: (name) => variables[name] ?? null }, '/cache');
}

const jail = { KELPIE_JAILER: '/jailer', KELPIE_JAILER_UID: '123', KELPIE_JAILER_GID: '100' };

test('without variables VMs are free, with a network that takes no rights; in cages they have none', () => {
  assert.deepEqual(optionsOf({}), { cacheDirectory: '/cache', network: { kind: 'user' } });
  assert.equal(optionsOf(jail).network, undefined);
  assert.deepEqual(optionsOf({ KELPIE_FIRECRACKER_NETWORK: 'none' }), { cacheDirectory: '/cache' });
});

test('variables say which programs, whose rights, and which network', () => {
  assert.deepEqual(
    optionsOf({
      ...jail,
      KELPIE_FIRECRACKER: '/fc',
      KELPIE_FIRECRACKER_NETWORK: 'bridge:br0',
      KELPIE_JAILER_CGROUPS: 'cpu.max=1 2,memory.max=1G',
      KELPIE_JAILER_NETNS: '/var/run/netns/a',
    }),
    {
      cacheDirectory: '/cache',
      program: '/fc',
      jail: {
        program: '/jailer',
        uid: 123,
        gid: 100,
        cgroups: ['cpu.max=1 2', 'memory.max=1G'],
        parentCgroup: null,
        networkNamespace: '/var/run/netns/a',
      },
      network: { kind: 'tap', bridge: 'br0' },
    },
  );
  assert.deepEqual(optionsOf({ KELPIE_FIRECRACKER_NETWORK: 'tap' }).network, { kind: 'tap', bridge: null });
});

test('what cannot be meant is refused: a jail whose VMs are root above all', () => {
  const wrong: readonly Readonly<Record<string, string>>[] = [
    { ...jail, KELPIE_JAILER_UID: '0' },
    { ...jail, KELPIE_JAILER_GID: '' },
    { ...jail, KELPIE_JAILER_UID: 'nobody' },
    { ...jail, KELPIE_JAILER: 'jailer' },
    { KELPIE_FIRECRACKER: 'firecracker' },
    { KELPIE_FIRECRACKER_NETWORK: 'bridge:' },
    { KELPIE_FIRECRACKER_NETWORK: 'bridge:$(reboot)' },
    { KELPIE_FIRECRACKER_NETWORK: 'slirp' },
    { ...jail, KELPIE_FIRECRACKER_NETWORK: 'user' },
  ];
  for (const variables of wrong)
    assert.throws(
      () => optionsOf(variables),
      (error) => isKelpieError(error, 'usage'),
      JSON.stringify(variables),
    );
});
