import { listAll } from '../objects/list-all.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import { packText } from './pack-name.ts';
import { parsePin } from './pin.ts';

/** `sweeps/RUN/clock` and `sweeps/RUN/condemned`, where RUN is a UUID that is never used again. */
export const SWEEPS_PREFIX = 'sweeps/';

export const CONDEMNED_NAME = '/condemned';

/** Key of what one sweep is about to remove, in the form of a pin. */
export function condemnedKey(run: string): string {
  return `${SWEEPS_PREFIX}${run}${CONDEMNED_NAME}`;
}

/** The packs that sweeps under way, or cut, may remove at any moment. @throws KelpieError `package_corrupt` when one cannot be read: then nothing is known. */
export async function condemnedPacks(
  objects: ObjectStore,
  options: ActOptions = {},
): Promise<ReadonlySet<string>> {
  const condemned = new Set<string>();
  for await (const { key } of listAll(objects, SWEEPS_PREFIX, options)) {
    if (!key.endsWith(CONDEMNED_NAME)) continue;
    const object = await objects.get(key, options);
    // One that is gone by now has removed what it named: the look at the packs, which comes later, sees it.
    if (object === null) continue;
    for (const pack of parsePin(object.bytes, key).packs) condemned.add(packText(pack));
  }
  return condemned;
}
