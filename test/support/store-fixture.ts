import assert from 'node:assert/strict';
import { isKelpieError } from '../../src/base/errors.ts';
import type { ErrorCode } from '../../src/base/error-codes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Architecture } from '../../src/snapshot/metadata.ts';
import type { Store } from '../../src/store/open-store.ts';

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
