import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError, KelpieError } from '../../base/errors.ts';
import { explainSlirp } from './explain-slirp.ts';

test('what slirp4netns complains of is told with what it is for, and what to do', () => {
  const own = new KelpieError(
    'vm_start_failed',
    'slirp4netns did not start: cannot mount tmpfs on /tmp; child failed(1).',
  );
  const told = explainSlirp(own);
  assert.ok(isKelpieError(told, 'vm_start_failed'));
  assert.match(
    told.message,
    /^the VM has no way to the network, since .*child failed\(1\): .*KELPIE_FIRECRACKER_NETWORK=none\.$/,
  );
  assert.equal(told.cause, own);
});

test('a port that is taken, and a cancel, pass unchanged', () => {
  for (const code of ['port_taken', 'canceled'] as const) {
    const error = new KelpieError(code, 'something else.');
    assert.equal(explainSlirp(error), error);
  }
});
