import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpTime, isoTime } from './times.ts';

test('times are written as everybody else writes them', () => {
  for (let unixMs = 0; unixMs < 4e12; unixMs += 86_399_000 * 997) {
    const date = new Date(unixMs);
    assert.equal(httpTime(unixMs), date.toUTCString());
    assert.equal(isoTime(unixMs), date.toISOString());
  }
});
