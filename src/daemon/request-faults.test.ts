import assert from 'node:assert/strict';
import test from 'node:test';
import { isKelpieError } from '../base/errors.ts';
import { fork } from './api/forks.ts';
import { restoreFromStore } from './api/snapshots.ts';
import { vmCreate } from './api/vms.ts';
import { parse } from './requests.ts';
import type { z } from 'zod';

/** The sentence that a person reads. */
function refusalOf(schema: z.ZodType, value: unknown): string {
  try {
    parse(schema, value);
  } catch (error) {
    assert.ok(isKelpieError(error, 'invalid_argument'));
    return error.message;
  }
  return 'it was taken';
}

const forwards = [{ hostPort: 8080, guestPort: 80 }];
const refusals: readonly (readonly [string, z.ZodType, unknown, string])[] = [
  ['nothing', vmCreate, {}, 'name is missing.'],
  ['no object', vmCreate, 'dev', 'the request must be an object.'],
  [
    'an empty name',
    vmCreate,
    { name: '' },
    'name must be of a-z, 0-9 and -, and begin with a letter or digit.',
  ],
  ['a wrong type', vmCreate, { name: 7 }, 'name must be text.'],
  [
    'an unknown choice',
    vmCreate,
    { name: 'dev', portability: 'all' },
    'portability must be one of host, arch, any.',
  ],
  ['an unknown field', vmCreate, { name: 'dev', color: 1 }, 'the request has no field "color".'],
  [
    'a long text',
    vmCreate,
    { name: 'dev', image: 'x'.repeat(257) },
    'image must have at most 256 characters.',
  ],
  [
    'a bad port',
    vmCreate,
    { name: 'dev', publish: [{ hostPort: 0, guestPort: 80 }] },
    'publish.0.hostPort must be 1 … 65535.',
  ],
  [
    'two faults',
    vmCreate,
    { name: 'dev', vcpuCount: 0, memoryMib: 1.5 },
    'vcpuCount must be 1 … 64; memoryMib must be a whole number.',
  ],
  [
    'port forwards for several copies',
    fork,
    { count: 2, publish: forwards },
    'several copies cannot have port forwards: a port of this host leads to one VM only.',
  ],
  [
    'neither a VM nor a package',
    restoreFromStore,
    { storeUrl: '/s' },
    'name the VM or the package that is to be restored.',
  ],
];

for (const [what, schema, value, sentence] of refusals)
  test(`${what} is refused in a sentence`, () => assert.equal(refusalOf(schema, value), sentence));

test('of many faults the first are told', () => {
  const publish = Array.from({ length: 9 }, () => ({ hostPort: 0, guestPort: 80 }));
  assert.equal(refusalOf(vmCreate, { name: 'dev', publish }).split('; ').length, 5);
});
