/**
 * A host of the other architecture, as far as one machine can be that: its QEMU is built for it and emulated (`far-qemu.ts`), and it says
 * of itself what such a host would. Kelpie's own code runs as everywhere; it only ever sees the machine through `Env`.
 */
import { delimiter } from 'node:path';
import { createNodeEnv } from '../../src/env/node/env.ts';
import type { Env } from '../../src/env/env.ts';
import type { FarQemu } from './far-qemu.ts';
import { faultyEnv } from './faulty-env.ts';

/** @param name what the host is called: two on one machine must differ. */
export function nearEnv(name: string): Env {
  const env = createNodeEnv();
  return { ...env, host: { ...env.host, name } };
}

/** @param name as for `nearEnv`. */
export function farEnv(name: string, { architecture, bin }: FarQemu): Env {
  const variables = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` };
  const env = createNodeEnv({ variables });
  // This machine's processor is not the far host's: nothing tells that one, as on a Mac.
  const rules = [{ act: 'files.readFile', subject: /^\/proc\/cpuinfo$/, fault: { errno: 'ENOENT' } }];
  const host = { ...env.host, name, architecture, cpuModel: 'unknown' };
  return faultyEnv({ ...env, host }, { rules }).env;
}
