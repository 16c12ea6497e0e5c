import assert from 'node:assert/strict';
import test from 'node:test';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { NO_NETWORK_KEPT_MS } from './limits.ts';
import { NetworkLookup } from './network-lookup.ts';
import { noNetwork } from './network.ts';
import type { Network } from './network.ts';

const user: Network = { kind: 'user', program: '/usr/bin/slirp4netns' };

test('a host without a network is looked at again after a while, and one that has it is not', async () => {
  const clock = new ManualClock();
  let here: Network = noNetwork;
  let looks = 0;
  const lookup = new NetworkLookup(clock, async () => {
    looks += 1;
    return here;
  });
  assert.deepEqual(await Promise.all([lookup.network(), lookup.network()]), [noNetwork, noNetwork]);
  here = user;
  await clock.advance(NO_NETWORK_KEPT_MS - 1);
  assert.equal(await lookup.network(), noNetwork);
  assert.equal(looks, 1);
  await clock.advance(1);
  assert.equal(await lookup.network(), user);
  here = noNetwork;
  await clock.advance(10 * NO_NETWORK_KEPT_MS);
  assert.equal(await lookup.network(), user);
  assert.equal(looks, 2);
});

test('a look that fails is not kept', async () => {
  let looks = 0;
  const lookup = new NetworkLookup(new ManualClock(), async () => {
    looks += 1;
    if (looks === 1) throw new Error('the disk fails');
    return user;
  });
  await assert.rejects(lookup.network(), /the disk fails/);
  assert.equal(await lookup.network(), user);
});
