/** The program with other sources than this project's: with a known bug in it. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createNodeEnv } from '../../src/env/node/env.ts';
import type { Processes } from '../../src/env/processes.ts';
import { Crew } from '../../src/sim/crew.ts';

export interface Edit {
  readonly file: string;
  /** What stands there, once. */
  readonly right: string;
  readonly wrong: string;
}

/** What a process of the program needs in its environment, so that it has the bug. */
export type Environment = Readonly<Record<string, string>>;

const root = join(import.meta.dirname, '../..');

/** The files that edits are about, by path, as they become. @throws AssertionError when a file is not as an edit expects it. */
export async function altered(edits: readonly Edit[]): Promise<ReadonlyMap<string, string>> {
  const sources = new Map<string, string>();
  for (const { file, right, wrong } of edits) {
    const source = sources.get(file) ?? (await readFile(join(root, file), 'utf8'));
    assert.equal(source.split(right).length, 2, `${file} has changed: plant this bug anew: ${wrong}`);
    sources.set(
      file,
      source.replace(right, () => wrong),
    );
  }
  return sources;
}

/** Does something while there are such sources. */
export async function withSources<T>(
  sources: ReadonlyMap<string, string>,
  work: (environment: Environment) => Promise<T>,
): Promise<T> {
  const overlay = await mkdtemp(join(tmpdir(), 'kelpie-planted-'));
  try {
    for (const [file, text] of sources) {
      await mkdir(dirname(join(overlay, file)), { recursive: true });
      await writeFile(join(overlay, file), text);
    }
    const hook = join(import.meta.dirname, 'planted-hook.ts');
    return await work({ NODE_OPTIONS: `--import=${hook}`, KELPIE_TEST_OVERLAY: overlay });
  } finally {
    await rm(overlay, { recursive: true, force: true });
  }
}

/** Does something with a bug in the sources. */
export async function withPlanted<T>(
  edits: readonly Edit[],
  work: (environment: Environment) => Promise<T>,
): Promise<T> {
  return await withSources(await altered(edits), work);
}

/** As `withPlanted`, with a worker of simulations of the program that has the bug; it ends with `work`. */
export async function withPlantedCrew<T>(
  edits: readonly Edit[],
  work: (crew: Crew) => Promise<T>,
): Promise<T> {
  return await withPlanted(edits, async (environment) => await withCrewIn(environment, work));
}

async function withCrewIn<T>(environment: Environment, work: (crew: Crew) => Promise<T>): Promise<T> {
  const { host, processes } = createNodeEnv();
  const whole: Record<string, string> = { ...environment };
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) whole[name] ??= value;
  const spawn: Processes['spawn'] = async (options) =>
    await processes.spawn({ ...options, environment: whole });
  const crew = await Crew.start({ host, processes: { spawn } }, 1);
  try {
    return await work(crew);
  } finally {
    await crew.close();
  }
}
