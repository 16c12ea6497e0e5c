import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKelpieError } from '../base/errors.ts';
import {
  checkedOption,
  parseCount,
  parseDurationMs,
  parseLeaseMs,
  parseMib,
  parsePublish,
  requireWithin,
} from './command.ts';

const refusesUsage = (act: () => unknown): void => {
  assert.throws(act, (error) => isKelpieError(error, 'usage'));
};

await test('sizes are mebibytes unless they say gibibytes', () => {
  assert.deepEqual(
    ['512', '512m', '4g', '2GiB'].map((text) => parseMib(text, '--memory')),
    [512, 512, 4096, 2048],
  );
  for (const text of ['', '-1', '1.5g', '512k', 'lots', '9999999999'])
    refusesUsage(() => parseMib(text, '--memory'));
});

await test('times are seconds unless they say otherwise', () => {
  assert.deepEqual(
    ['30', '30s', '500ms', '5m', '1h', '7d'].map((text) => parseDurationMs(text, '--timeout')),
    [30_000, 30_000, 500, 300_000, 3_600_000, 604_800_000],
  );
  for (const text of ['', 's', '1w', '-5s', '1.5s']) refusesUsage(() => parseDurationMs(text, '--timeout'));
});

await test('a port forward is HOST:GUEST', () => {
  assert.deepEqual(parsePublish('8080:80'), { hostPort: 8080, guestPort: 80 });
  for (const text of ['8080', ':80', '8080:', 'a:b', '1:2:3', '123456:1', '0:80', '8080:65536'])
    refusesUsage(() => parsePublish(text));
});

await test('a count is a whole number', () => {
  assert.equal(parseCount('12', 'it'), 12);
  for (const text of ['', '-1', '1e3', '0x10']) refusesUsage(() => parseCount(text, 'it'));
});

test('a number out of bounds is told by its option', () => {
  const bounds = { min: 1, max: 64 };
  assert.equal(requireWithin(64, '--cpus', bounds), 64);
  for (const value of [0, 65]) refusesUsage(() => requireWithin(value, '--cpus', bounds));
});

test('what the API would refuse is told by its option', async () => {
  assert.equal(await checkedOption({ name: 'dev' }, 'name', 'vmName'), 'dev');
  assert.equal(await checkedOption({}, 'name', 'vmName'), null);
  await assert.rejects(checkedOption({ name: 'Dev' }, 'name', 'vmName'), {
    code: 'usage',
    message: '--name must be of a-z, 0-9 and -, and begin with a letter or digit, not "Dev".',
  });
});

test('a lease out of bounds is told by its option', () => {
  assert.equal(parseLeaseMs('60s'), 60_000);
  for (const [text, sentence] of [
    ['1s', '--lease must be at least 20 s, not "1s".'],
    ['7d', '--lease must be at most 24 h, not "7d".'],
  ] as const)
    assert.throws(() => parseLeaseMs(text), { code: 'usage', message: sentence });
});
