/** Times as S3 writes them: UTC, by the proleptic Gregorian calendar. */
import { civilDate, dayNumber, dayOfUnixMs } from '../../../base/civil-date.ts';
import { DAY_MS } from '../../../base/units.ts';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const isoPattern = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?Z$/;
const httpPattern = /^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/;

/** `20261122T030046Z`, for signatures. */
export function basicTime(unixMs: number): string {
  const { year, month, day } = civilDate(dayOfUnixMs(unixMs));
  const seconds = Math.floor(unixMs / 1000) % 86_400;
  const date = `${String(year).padStart(4, '0')}${twoDigits(month)}${twoDigits(day)}`;
  return `${date}T${twoDigits(Math.floor(seconds / 3600))}${twoDigits(Math.floor(seconds / 60) % 60)}${twoDigits(seconds % 60)}Z`;
}

/** Milliseconds since the Unix epoch of `2026-11-22T03:00:46.000Z`; fractions of a second are dropped. Null for anything else. */
export function parseIsoTime(text: string): number | null {
  const [, year, month, day, hour, minute, second] = (isoPattern.exec(text) ?? []).map(Number);
  return unixMsOf([year, month, day], [hour, minute, second]);
}

/** Of `Sun, 22 Nov 2026 03:00:46 GMT` (RFC 9110, section 5.6.7). Null for anything else. */
export function parseHttpTime(text: string): number | null {
  const match = httpPattern.exec(text);
  if (match === null) return null;
  const month = months.findIndex((name) => name === match[2]) + 1;
  const [, day, , year, hour, minute, second] = match.map(Number);
  return month === 0 ? null : unixMsOf([year, month, day], [hour, minute, second]);
}

function unixMsOf(
  [year, month, day]: readonly (number | undefined)[],
  [hour, minute, second]: readonly (number | undefined)[],
): number | null {
  if (year === undefined || month === undefined || day === undefined) return null;
  if (hour === undefined || minute === undefined || second === undefined) return null;
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return null;
  return dayNumber(year, month, day) * DAY_MS + (hour * 3600 + minute * 60 + second) * 1000;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
