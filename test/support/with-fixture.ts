import assert from 'node:assert/strict';
import test from 'node:test';
import { isSystemError } from '../../src/env/system-error.ts';
import type { CreateFixture, EnvFixture } from './env-suite.ts';

/** A contract's promise hangs when it is broken more often than it fails. */
const PROMISE_TIMEOUT_MS = 120_000;

export type Promised = (sentence: string, check: (fixture: EnvFixture) => Promise<void>) => void;

/** Tests that each have a world of their own. */
export function promises(subject: string, createFixture: CreateFixture): Promised {
  return (sentence, check) => {
    test(`${subject}: ${sentence}`, { timeout: PROMISE_TIMEOUT_MS }, async () => {
      const fixture = await createFixture();
      try {
        await check(fixture);
      } finally {
        await fixture.close();
      }
    });
  };
}

/** The call is refused by a `SystemError` with that POSIX name. */
export async function refusedWith(errno: string, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isSystemError(error, errno), `${errno} was expected, not ${String(error)}`);
    return true;
  });
}
