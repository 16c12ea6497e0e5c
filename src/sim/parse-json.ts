import type { z } from 'zod';

/** JSON from inside the simulated world, whose shape is known: another one is a mistake of the simulation. */
export function parseJson<T>(schema: z.ZodType<T>, text: string): T {
  return schema.parse(JSON.parse(text));
}
