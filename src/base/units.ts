export const KIB = 1024;
export const MIB: number = 1024 * KIB;
export const GIB: number = 1024 * MIB;

export const SECOND_MS = 1000;
export const MINUTE_MS: number = 60 * SECOND_MS;
export const HOUR_MS: number = 60 * MINUTE_MS;
export const DAY_MS: number = 24 * HOUR_MS;

/** The unit of difference of memory and disks, in bytes (measured: larger units move several times as much). */
export const PAGE_BYTES = 4096;

/** `1536` → `1.5 KiB`. Three significant digits (four between 1000 and 1023), binary units. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
  let value = bytes;
  let unit = 0;
  while (Math.round(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${Number(value.toFixed(digits))} ${units[unit] ?? 'B'}`;
}

/** `850` → `850 ms`, `1500` → `1.5 s`, `95000` → `1 min 35 s`, `5400000` → `1 h 30 min`. */
export function formatDurationMs(durationMs: number): string {
  const roundedMs = Math.round(durationMs);
  if (roundedMs < SECOND_MS) return `${roundedMs} ms`;
  const tenths = Number((durationMs / SECOND_MS).toFixed(1));
  if (tenths * SECOND_MS < MINUTE_MS) return `${tenths} s`;
  const minutes = Math.round(durationMs / MINUTE_MS);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const seconds = Math.round(durationMs / SECOND_MS);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
