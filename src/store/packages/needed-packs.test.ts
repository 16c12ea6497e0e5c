import assert from 'node:assert/strict';
import test from 'node:test';
import { quickCompute } from '../../../test/support/quick-compute.ts';
import { refusedAs } from '../../../test/support/store-fixture.ts';
import type { ListedObject } from '../objects/object-store.ts';
import { PACKAGES_MAX, PINS_MAX, PIN_MS_MAX } from './limits.ts';
import { NeededPacks } from './needed-packs.ts';
import { PACKAGES_PREFIX } from './package-key.ts';
import { PINS_PREFIX } from './pin.ts';

const NOW_MS = 1_750_000_000_000;
const SESSION = '00000000-0000-4000-8000-00000000000a';

function listed(key: string, modifiedMs = NOW_MS): ListedObject {
  return { key, sizeBytes: 1, modifiedMs };
}

/** A store that lists these, and in which none is there any more. */
function needed(keys: readonly ListedObject[]): NeededPacks {
  return new NeededPacks(
    { compute: quickCompute() },
    {
      list: async ({ prefix }) => ({ objects: keys.filter(({ key }) => key.startsWith(prefix)), next: null }),
      get: async () => null,
    },
  );
}

test('a store may have so many packages and pins, and with one more nothing is known', async () => {
  const manifests = Array.from({ length: PACKAGES_MAX + 1 }, (_, index) =>
    listed(`${PACKAGES_PREFIX}${index.toString(16).padStart(64, '0')}`),
  );
  await refusedAs(needed(manifests).look(NOW_MS), 'limit_exceeded');
  const pins = Array.from({ length: PINS_MAX + 1 }, (_, index) => listed(`${PINS_PREFIX}${index}`));
  await needed(pins.slice(1)).look(NOW_MS);
  await refusedAs(needed(pins).look(NOW_MS), 'limit_exceeded');
});

test('packs of a publish under way are needed by its name alone, until its pin is too old', async () => {
  for (const [ageMs, isNeeded] of [
    [0, true],
    [PIN_MS_MAX - 1, true],
    [PIN_MS_MAX, false],
  ] as const) {
    const key = `${PINS_PREFIX}${SESSION}`;
    const look = needed([listed(key, NOW_MS - ageMs), listed(`${PINS_PREFIX}other`)]);
    await look.look(NOW_MS);
    assert.equal(look.has(`${SESSION}/3`), isNeeded);
    assert.equal(look.has('other/3'), false);
    assert.deepEqual(look.expiredPins, isNeeded ? [] : [key]);
    assert.equal(look.packages, 0);
  }
});
