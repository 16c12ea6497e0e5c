/** Times as an S3 service writes them: UTC, to the second. */
import { civilDate, dayOfUnixMs } from '../../base/civil-date.ts';

const weekdays = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'];
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Sun, 22 Nov 2026 03:00:46 GMT` (RFC 9110, section 5.6.7). */
export function httpTime(unixMs: number): string {
  const days = dayOfUnixMs(unixMs);
  const { year, month, day } = civilDate(days);
  // 1970-01-01 was a Thursday.
  return `${weekdays[days % 7]}, ${twoDigits(day)} ${months[month - 1]} ${year} ${timeOfDay(unixMs)} GMT`;
}

/** `2026-11-22T03:00:46.000Z`. */
export function isoTime(unixMs: number): string {
  const { year, month, day } = civilDate(dayOfUnixMs(unixMs));
  return `${year}-${twoDigits(month)}-${twoDigits(day)}T${timeOfDay(unixMs)}.000Z`;
}

function timeOfDay(unixMs: number): string {
  const seconds = Math.floor(unixMs / 1000) % 86_400;
  return [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(twoDigits).join(':');
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
