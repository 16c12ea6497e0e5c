import type { Env } from '../../env/env.ts';
import { createSimEnv } from '../env/sim-env.ts';
import type { Site } from './world.ts';

/** Runs `act` in a process of its own on the site's machine. @param label for traces. */
export async function asPerson<T>(
  { machine, name }: Site,
  label: string,
  act: (env: Env) => Promise<T>,
): Promise<T> {
  const process = machine.startProcess([label, name], `${label} ${name}`);
  try {
    return await act(createSimEnv(process));
  } finally {
    process.end({ code: 0 });
  }
}
