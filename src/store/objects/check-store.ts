/**
 * Whether a user's store keeps the promises that Kelpie rests on, asked of the store itself: for `kelpie doctor --store URL`.
 * Works under a fresh prefix of its own and removes what it made. The store is asked bare: a lucky second try would hide a fault.
 */
import { equalBytes, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import { PART_BYTES_MIN } from './limits.ts';
import type { ETag, ObjectStore, PutOutcome } from './object-store.ts';
import { isStoreTrouble } from './store-trouble.ts';

export interface StoreFinding {
  /** `store.put-if-absent` … */
  readonly check: string;
  readonly level: 'ok' | 'problem';
  /** One sentence. */
  readonly text: string;
}

const RACERS = 4;
const RACE_ROUNDS = 3;

interface Check {
  readonly name: string;
  readonly whenOk: string;
  /** @returns what is wrong, as a sentence; null when nothing is. */
  readonly run: (scratch: Scratch) => Promise<string | null>;
  /** The others would only repeat its failure. */
  readonly isNeededByAll?: boolean;
}

interface Scratch {
  readonly store: ObjectStore;
  /** A key that nobody has used. */
  readonly key: (name: string) => string;
  readonly prefix: string;
}

/** Every promise, in the order of docs/STORES.md. Never throws for what the store does. @param store bare. */
export async function checkStore(
  env: Pick<Env, 'random'>,
  store: ObjectStore,
): Promise<readonly StoreFinding[]> {
  const prefix = `kelpie-check/${env.random.uuid()}/`;
  const scratch = { store, prefix, key: (name: string): string => `${prefix}${name}` };
  const findings: StoreFinding[] = [];
  for (const check of checks) {
    const fault = await faultOf(check, scratch);
    const name = `store.${check.name}`;
    findings.push({ check: name, level: fault === null ? 'ok' : 'problem', text: fault ?? check.whenOk });
    if (fault !== null && check.isNeededByAll === true) return findings;
  }
  const leftover = await faultOf({ name: 'clean-up', whenOk: '', run: cleanUp }, scratch);
  if (leftover !== null) findings.push({ check: 'store.clean-up', level: 'problem', text: leftover });
  return findings;
}

async function faultOf({ run }: Check, scratch: Scratch): Promise<string | null> {
  try {
    return await run(scratch);
  } catch (error) {
    if (isKelpieError(error)) return sentence(error.message);
    throw error;
  }
}

const checks: readonly Check[] = [
  {
    name: 'write-and-read',
    whenOk: 'Objects are read back as they were written.',
    run: writeAndRead,
    isNeededByAll: true,
  },
  {
    name: 'put-if-absent',
    whenOk: 'An object that exists is not overwritten (If-None-Match).',
    run: putIfAbsent,
  },
  {
    name: 'put-if-match',
    whenOk: 'A record is only replaced while it is the one that was read (If-Match).',
    run: putIfMatch,
  },
  { name: 'race', whenOk: 'Of writers that race, exactly one wins.', run: race },
  { name: 'range', whenOk: 'Ranges of objects are read.', run: ranges },
  {
    name: 'list',
    whenOk: 'Listings are in order, by pages, and show at once what was written and deleted.',
    run: list,
  },
  { name: 'upload', whenOk: 'Large objects are written in parts.', run: upload },
];

const first = utf8('first');
const second = utf8('second');

async function writeAndRead({ store, key }: Scratch): Promise<string | null> {
  const where = key('object');
  if ((await store.get(where)) !== null)
    return 'An object is there that nobody wrote: the store answers with made-up contents.';
  await store.put(where, first);
  if (!(await holds(store, where, first)))
    return 'An object is not read back as it was written: do not use this store.';
  await store.put(where, second);
  if (!(await holds(store, where, second)))
    return 'An object that was replaced is still read as it was: the store is not strongly consistent.';
  const info = await store.head(where);
  return info?.sizeBytes === second.byteLength ? null : 'The size of an object is not told right.';
}

async function putIfAbsent({ store, key }: Scratch): Promise<string | null> {
  const where = key('absent');
  if ((await tried(store.putIfAbsent(where, first))) !== 'written')
    return 'The store refuses conditional writes (If-None-Match) of new objects: use a service that has them.';
  const again = await tried(store.putIfAbsent(where, second));
  if (again === 'refused' && (await holds(store, where, first))) return null;
  return 'The store ignores the condition of If-None-Match and overwrites: a VM could run twice; use a service with conditional writes.';
}

async function putIfMatch({ store, key }: Scratch): Promise<string | null> {
  const where = key('match');
  const old = await store.put(where, first);
  const outcome = await triedOutcome(store.putIfMatch(where, old, second));
  if (outcome.result !== 'written')
    return 'The store refuses If-Match even when it holds: try quoted-etags=true in its URL, or use a service with conditional writes.';
  if (!isRefusal(await tried(store.putIfMatch(where, old, first))) || !(await holds(store, where, second)))
    return 'The store ignores the condition of If-Match and overwrites: a VM could run twice; use a service with conditional writes.';
  const absent = await tried(store.putIfMatch(key('never-was'), outcome.etag, first));
  return isRefusal(absent)
    ? null
    : 'The store makes an object by If-Match where none is: use a service with conditional writes.';
}

async function race({ store, key }: Scratch): Promise<string | null> {
  const where = key('race');
  let etag: ETag = await store.put(where, first);
  for (let round = 0; round < RACE_ROUNDS; round += 1) {
    const from = etag;
    const racers = Array.from({ length: RACERS }, (_, racer) => utf8(`round ${round} racer ${racer}`));
    const outcomes = await Promise.all(
      racers.map(async (bytes) => await tried(store.putIfMatch(where, from, bytes))),
    );
    const winners = outcomes.filter((result) => result === 'written').length;
    const found = await store.get(where);
    const isSettled = found !== null && racers.some((bytes) => equalBytes(bytes, found.bytes));
    if (winners > 1)
      return `${winners} of ${RACERS} writers that raced were told that they had won: a VM could run twice.`;
    if (!isSettled) return 'None of the writers that raced won.';
    etag = found.etag;
  }
  return null;
}

async function ranges({ store, key }: Scratch): Promise<string | null> {
  const where = key('range');
  await store.put(where, utf8('0123456789'));
  const middle = await store.get(where, { range: { offset: 3, length: 4 } });
  const end = await store.get(where, { range: { offset: 8, length: 100 } });
  const isRight = middle !== null && equalBytes(middle.bytes, utf8('3456')) && middle.sizeBytes === 10;
  return isRight && end !== null && equalBytes(end.bytes, utf8('89'))
    ? null
    : 'Ranges of objects are not read right.';
}

async function list({ store, key, prefix }: Scratch): Promise<string | null> {
  const keys = ['list/a', 'list/a-b', 'list/b/c', 'list/d'].map(key);
  for (const where of keys) await store.put(where, first);
  const seen: string[] = [];
  for (let after: string | null = `${prefix}list/0`; after !== null && seen.length <= keys.length;) {
    const page = await store.list({ prefix: `${prefix}list/`, after, limit: 2 });
    seen.push(...page.objects.map((object) => object.key));
    after = page.next;
  }
  if (seen.join() !== keys.join()) return 'Listings by pages leave something out, or are not in order.';
  await store.delete(key('list/a'));
  const { objects } = await store.list({ prefix: `${prefix}list/` });
  return objects.length === keys.length - 1
    ? null
    : 'A listing still shows what was deleted: the store is not strongly consistent.';
}

async function upload({ store, key }: Scratch): Promise<string | null> {
  const where = key('upload');
  const bytes = new Uint8Array(PART_BYTES_MIN).fill(7);
  const begun = await store.startUpload(where, PART_BYTES_MIN);
  const parts = [await store.putPart(begun, 1, bytes), await store.putPart(begun, 2, first)];
  if ((await store.head(where)) !== null) return 'An object is seen before its upload is complete.';
  await store.completeUpload(begun, parts);
  const end = await store.get(where, { range: { offset: PART_BYTES_MIN, length: first.byteLength } });
  return end !== null && equalBytes(end.bytes, first)
    ? null
    : 'An object that was written in parts is not read back right.';
}

async function cleanUp({ store, prefix }: Scratch): Promise<string | null> {
  for (const { key } of (await store.list({ prefix })).objects) await store.delete(key);
  const { uploads } = await store.listUploads({ prefix });
  for (const unfinished of uploads) await store.abortUpload(unfinished);
  return null;
}

async function holds(store: ObjectStore, key: string, bytes: Bytes): Promise<boolean> {
  const object = await store.get(key);
  return object !== null && equalBytes(object.bytes, bytes);
}

type Tried = PutOutcome | { readonly result: 'unknown' };

/** A loser of a race may be told 5xx or 409, which is no promise broken. */
async function triedOutcome(outcome: Promise<PutOutcome>): Promise<Tried> {
  try {
    return await outcome;
  } catch (error) {
    if (isStoreTrouble(error) && error.isRetryable) return { result: 'unknown' };
    throw error;
  }
}

async function tried(outcome: Promise<PutOutcome>): Promise<Tried['result']> {
  return (await triedOutcome(outcome)).result;
}

function isRefusal(result: Tried['result']): boolean {
  return result !== 'written';
}

/** Sentences of errors begin as they stand behind a program's name. */
function sentence(message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}`;
}
