import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isKelpieError } from '../../src/base/errors.ts';
import type { ErrorCode } from '../../src/base/error-codes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Architecture } from '../../src/snapshot/metadata.ts';
import { listAll } from '../../src/store/objects/list-all.ts';
import { openObjects } from '../../src/store/objects/open-objects.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store, StoreEnv } from '../../src/store/open-store.ts';
import { collect } from './collect.ts';

/** A new, empty store for one test. */
export interface StoreFixture {
  /** Another client of the store, as another host has it. */
  open(hostArchitecture?: Architecture): Promise<Store>;
  /** What the store holds, below its clients: for damaging it. */
  readonly objects: StoredObjects;
  close(): Promise<void>;
}

export interface StoredObjects {
  /** Names of all objects, published or not. */
  names(): Promise<readonly string[]>;
  read(name: string): Promise<Bytes>;
  write(name: string, bytes: Bytes): Promise<void>;
  remove(name: string): Promise<void>;
}

/** The home of a host without keys: it is not there. */
const HOME_WITHOUT_KEYS = '/nonexistent';

/** A store at a place that any number of clients see; `close` ends the place. */
export function storeFixture(
  env: StoreEnv,
  url: string,
  close: () => Promise<void>,
  home: string = HOME_WITHOUT_KEYS,
): StoreFixture {
  const below = openObjects(env, url);
  return {
    open: async (hostArchitecture = 'x86_64') =>
      await openStore(env, url, { home, hostArchitecture, hostName: 'host' }),
    objects: {
      names: async () => (await collect(listAll(await below, ''))).map(({ key }) => key),
      read: async (name) => (await (await below).get(name))?.bytes ?? assert.fail(`there is no ${name}`),
      // What damages a disk takes no lock, and a lock is a process.
      write: async (name, bytes) =>
        url.startsWith('/')
          ? await writeFile(join(url, name), bytes)
          : void (await (await below).put(name, bytes)),
      remove: async (name) => await (await below).delete(name),
    },
    close,
  };
}

export type CreateStoreFixture = () => Promise<StoreFixture>;

/** The call is refused by a `KelpieError` with one of these codes, whose sentence is fit for a person. */
export async function refusedAs(
  call: Promise<unknown>,
  ...codes: readonly [ErrorCode, ...ErrorCode[]]
): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isKelpieError(error, ...codes), `${codes.join(' or ')} was expected, not ${String(error)}`);
    assert.match(error.message, /^[^\n]{10,600}\.$/, 'the message is a sentence');
    return true;
  });
}
