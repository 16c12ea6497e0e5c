import assert from 'node:assert/strict';
import test from 'node:test';
import { readEvent } from './events.ts';
import { operationEvent, problem } from './openapi.ts';
import { readProblem } from './problem.ts';

const aProblem = {
  type: 'urn:kelpie:error:vm_not_found',
  title: 'vm not found',
  status: 404,
  detail: 'there is no VM "dev".',
  code: 'vm_not_found',
  data: { vm: 'dev', faults: ['a', 'b'], count: 1, known: false },
};
const aProgress = { event: 'progress', phase: 'boot', item: null, doneBytes: 1, totalBytes: null };

/** Each value without each of its members, and with each of them replaced. */
function* broken(value: Readonly<Record<string, unknown>>): Generator {
  for (const name of Object.keys(value)) {
    const { [name]: _, ...rest } = value;
    yield rest;
    for (const other of [null, 1, 1.5, 'x', true, {}, [], [1], { a: null }, { a: [1] }])
      yield { ...value, [name]: other };
  }
}

const others = [null, undefined, 1, 'x', [], {}];

test('events are read by hand as their schema says', () => {
  const events = [
    aProgress,
    { ...aProgress, item: 'memory' },
    { event: 'notice', text: 'x' },
    { event: 'result', result: { a: 1 } },
    { event: 'error', problem: aProblem },
  ];
  for (const event of events) assert.deepEqual(readEvent(event), event);
  for (const value of [...others, ...events.flatMap((event) => [...broken(event)])]) {
    assert.deepEqual(readEvent(value), operationEvent.safeParse(value).data ?? null, JSON.stringify(value));
  }
});

test('problem details are read by hand as their schema says', () => {
  assert.deepEqual(readProblem(aProblem), aProblem);
  for (const value of [...others, ...broken(aProblem)]) {
    assert.deepEqual(readProblem(value), problem.safeParse(value).data ?? null, JSON.stringify(value));
  }
});
