import assert from 'node:assert/strict';
import { test } from 'node:test';
import { civilDate, dayNumber, dayOfUnixMs, weekOfDay } from './civil-date.ts';
import { DAY_MS } from './units.ts';

test('days are those of the calendar, over four hundred years', () => {
  for (let day = dayNumber(1800, 1, 1); day < dayNumber(2200, 1, 1); day += 1) {
    const { year, month, day: dayOfMonth } = civilDate(day);
    assert.equal(dayNumber(year, month, dayOfMonth), day);
    const text = new Date(day * DAY_MS).toISOString().slice(0, 10);
    assert.equal(`${year}-${String(month).padStart(2, '0')}-${String(dayOfMonth).padStart(2, '0')}`, text);
  }
  assert.equal(dayOfUnixMs(DAY_MS - 1), 0);
  assert.equal(dayOfUnixMs(DAY_MS), 1);
  assert.equal(dayOfUnixMs(-1), -1);
});

test('weeks begin on Mondays', () => {
  const monday = dayNumber(2024, 12, 30);
  for (let day = 0; day < 7; day += 1) assert.equal(weekOfDay(monday + day), weekOfDay(monday));
  assert.equal(weekOfDay(monday - 1), weekOfDay(monday) - 1);
  assert.equal(weekOfDay(monday + 7), weekOfDay(monday) + 1);
});
