import assert from 'node:assert/strict';
import { utf8 } from '../../src/base/bytes.ts';
import { AGE_FILE_BYTES_MAX, AGE_RECIPIENTS_MAX, AgeRefused } from '../../src/env/age.ts';
import { promises } from './with-fixture.ts';
import type { Age, AgePart } from '../../src/env/age.ts';
import type { CreateFixture } from './env-suite.ts';

async function pair(age: Age): Promise<{ readonly identity: string; readonly recipient: string }> {
  const identity = await age.createIdentity();
  return { identity, recipient: await age.recipientOf(identity) };
}

async function refused(part: AgePart, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof AgeRefused, String(error));
    assert.equal(error.part, part);
    return true;
  });
}

export function ageSuite(name: string, createFixture: CreateFixture): void {
  const promise = promises(`${name} age`, createFixture);
  const secret = utf8('thirty-two bytes of a secret key');

  promise('lets each recipient read, and nobody else', async ({ env: { age } }) => {
    const [alice, bob, eve] = [await pair(age), await pair(age), await pair(age)];
    const file = await age.encrypt(secret, [alice.recipient, bob.recipient]);
    assert.deepEqual(await age.decrypt(file, [alice.identity]), secret);
    assert.deepEqual(await age.decrypt(file, [eve.identity, bob.identity]), secret);
    assert.equal(await age.decrypt(file, [eve.identity]), null);
    assert.equal(await age.decrypt(file, []), null);
  });

  promise('never makes the same keys or the same file twice', async ({ env: { age } }) => {
    const { identity, recipient } = await pair(age);
    assert.notEqual(await age.createIdentity(), identity);
    assert.equal(await age.recipientOf(identity), recipient);
    assert.notDeepEqual(await age.encrypt(secret, [recipient]), await age.encrypt(secret, [recipient]));
  });

  promise('refuses a file that is damaged, cut, or too large', async ({ env: { age } }) => {
    const { identity, recipient } = await pair(age);
    const file = await age.encrypt(secret, [recipient]);
    await refused('file', age.decrypt(utf8('no such thing'), [identity]));
    await refused('file', age.decrypt(new Uint8Array(0), [identity]));
    await refused('file', age.decrypt(file.slice(0, -1), [identity]));
    await refused('file', age.decrypt(file.with(file.byteLength - 1, 7 ^ (file.at(-1) ?? 0)), [identity]));
    const large = await age.encrypt(new Uint8Array(AGE_FILE_BYTES_MAX), [recipient]);
    await refused('file', age.decrypt(large, [identity]));
  });

  promise('refuses what are no keys, also those with a wrong letter', async ({ env: { age } }) => {
    const { identity, recipient } = await pair(age);
    const file = await age.encrypt(secret, [recipient]);
    const misspelt = `${recipient.slice(0, -1)}${recipient.endsWith('a') ? 'c' : 'a'}`;
    for (const bad of ['', 'age1', `${recipient} `, misspelt, recipient.toUpperCase(), identity])
      await refused('recipient', age.encrypt(secret, [recipient, bad]));
    const misread = `${identity.slice(0, -1)}${identity.endsWith('A') ? 'C' : 'A'}`;
    for (const bad of ['', 'AGE-SECRET-KEY-1', ` ${identity}`, misread, recipient]) {
      await refused('identity', age.recipientOf(bad));
      await refused('identity', age.decrypt(file, [identity, bad]));
    }
    for (const count of [0, AGE_RECIPIENTS_MAX + 1]) {
      const recipients = Array.from({ length: count }, () => recipient);
      await assert.rejects(age.encrypt(secret, recipients), /assertion failed/);
    }
  });
}
