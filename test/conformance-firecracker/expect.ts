/** What answers must be. */
import assert from 'node:assert/strict';
import type { Answer } from './api-client.ts';
import type { UnderTest } from './under-test.ts';

/** The request was done. */
export function done(answer: Answer): void {
  assert.equal(answer.status, 204, `expected 204, not ${answer.status}: ${JSON.stringify(answer.json)}`);
}

/** The request was answered with an object. */
export function object(answer: Answer): Readonly<Record<string, unknown>> {
  assert.equal(answer.status, 200, `expected 200, not ${answer.status}: ${JSON.stringify(answer.json)}`);
  assert.ok(typeof answer.json === 'object' && answer.json !== null);
  return Object.fromEntries(Object.entries(answer.json));
}

/** The request was refused as the description says: with 400 and a `fault_message`, which is returned. */
export function refused(answer: Answer): string {
  assert.equal(
    answer.status,
    400,
    `expected a refusal, not ${answer.status}: ${JSON.stringify(answer.json)}`,
  );
  const { json } = answer;
  assert.ok(typeof json === 'object' && json !== null && 'fault_message' in json, 'a fault_message');
  assert.ok(typeof json.fault_message === 'string' && json.fault_message !== '', 'a fault_message of text');
  return json.fault_message;
}

export async function state(one: UnderTest): Promise<unknown> {
  return object(await one.get('/'))['state'];
}
