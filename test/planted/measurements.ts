/** What was measured of planted bugs: kept between runs, so that a measurement goes on where it stopped, and tests begin where a bug shows. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format } from 'prettier';
import { z } from 'zod';
import type { PlantedBug } from './planted-bug.ts';

/** Of one bug. */
export interface Measurement {
  /** How many were run, from the first on. */
  readonly seeds: number;
  /** Seeds that showed it, in order, with the oracle. */
  readonly found: readonly { readonly seed: number; readonly oracle: string }[];
  /** By oracle that fired: who fires in its place when nobody listens to it, on the seeds that showed the bug. */
  readonly without: Readonly<
    Record<string, readonly { readonly seed: number; readonly oracle: string | null }[]>
  >;
}

export type Measurements = Readonly<Record<string, Measurement>>;

const path = join(import.meta.dirname, 'measured.json');
const finding = z.object({ seed: z.int(), oracle: z.string() });
const measurementsSchema: z.ZodType<Measurements> = z.record(
  z.string(),
  z.object({
    seeds: z.int(),
    found: z.array(finding),
    without: z.record(z.string(), z.array(finding.extend({ oracle: z.string().nullable() }))),
  }),
);

export async function readMeasurements(): Promise<Measurements> {
  return measurementsSchema.parse(JSON.parse(await readFile(path, 'utf8')));
}

export async function writeMeasurements(measurements: Measurements): Promise<void> {
  await writeFile(path, await format(JSON.stringify(measurements), { parser: 'json', printWidth: 110 }));
}

/** What is known of a bug. */
export function measurementOf(measurements: Measurements, { name }: PlantedBug): Measurement {
  return measurements[name] ?? { seeds: 0, found: [], without: {} };
}
