import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyFault } from './check-body.ts';
import { operations } from './description.ts';
import { parseVersion } from '../version.ts';

const newest = { version: parseVersion('1.16.1'), isPartial: false };
const load = { snapshot_path: 's', mem_backend: { backend_type: 'File', backend_path: 'm' } };

test('the description has every request that Kelpie makes', () => {
  const known = operations.map(({ method, template }) => `${method} ${template}`);
  for (const request of ['PUT /snapshot/load', 'PATCH /vm', 'PUT /drives/{drive_id}', 'GET /version']) {
    assert.ok(known.includes(request), request);
  }
});

test('a body as described has no fault', () => {
  assert.equal(bodyFault('SnapshotLoadParams', load, newest), null);
  assert.equal(bodyFault('Balloon', { amount_mib: 0, deflate_on_oom: true }, newest), null);
});

const faults: readonly (readonly [name: string, body: unknown, fault: RegExp])[] = [
  ['Vm', { state: 'Asleep' }, /^unknown variant `Asleep`, expected `Paused` or `Resumed`$/],
  ['Vm', {}, /^missing field `state`$/],
  ['Vm', [], /^invalid type: sequence, expected struct Vm$/],
  ['Vsock', { guest_cid: '3', uds_path: 'v' }, /^invalid type: string "3", expected an integer$/],
  ['Vsock', { guest_cid: 3, uds_path: null }, /^invalid type: null, expected a string$/],
  ['Vsock', { guest_cid: 3.5, uds_path: 'v' }, /^invalid type: floating point/],
  ['Balloon', { amount_mib: -1, deflate_on_oom: true }, /^invalid value: integer `-1`/],
  [
    'SnapshotLoadParams',
    { ...load, mem_backend: { backend_type: 'File' } },
    /^missing field `backend_path`$/,
  ],
  [
    'SnapshotLoadParams',
    { ...load, network_overrides: [{ iface_id: 'a' }] },
    /^missing field `host_dev_name`$/,
  ],
];

for (const [name, body, fault] of faults) {
  test(`${name} of ${JSON.stringify(body)} has a fault`, () => {
    assert.match(bodyFault(name, body, newest) ?? '', fault);
  });
}

test('a field is unknown to versions before it', () => {
  const body = { ...load, vsock_override: { uds_path: 'w' } };
  assert.equal(bodyFault('SnapshotLoadParams', body, newest), null);
  const older = { version: parseVersion('1.15.1'), isPartial: false };
  assert.match(bodyFault('SnapshotLoadParams', body, older) ?? '', /^unknown field `vsock_override`/);
});

test('a change of a part has no fault for what it leaves out', () => {
  const part = { mem_size_mib: 64 };
  assert.match(bodyFault('MachineConfiguration', part, newest) ?? '', /^missing field/);
  assert.equal(bodyFault('MachineConfiguration', part, { ...newest, isPartial: true }), null);
});
