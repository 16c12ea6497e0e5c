/** Times as S3 writes them: UTC, by the proleptic Gregorian calendar. */

const DAY_MS = 86_400_000;
/** Days from 0000-03-01 to 1970-01-01, and in 400 years. */
const DAYS_TO_1970 = 719_468;
const DAYS_IN_ERA = 146_097;

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const isoPattern = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?Z$/;
const httpPattern = /^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/;

/** `20261122T030046Z`, for signatures. */
export function basicTime(unixMs: number): string {
  const { year, month, day } = civilDate(Math.floor(unixMs / DAY_MS));
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

/** Days since 1970-01-01. Years begin in March here, so that the leap day is their last. */
function dayNumber(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * DAYS_IN_ERA + dayOfEra - DAYS_TO_1970;
}

/** The inverse of `dayNumber`. */
function civilDate(days: number): { readonly year: number; readonly month: number; readonly day: number } {
  const shifted = days + DAYS_TO_1970;
  const era = Math.floor(shifted / DAYS_IN_ERA);
  const dayOfEra = shifted - era * DAYS_IN_ERA;
  const leaps = Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leaps) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return { year, month, day: dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1 };
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
