/** What the forms of `kelpie sim` have in common. */
import { isKelpieError, KelpieError } from '../../base/errors.ts';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import { KIB, MIB } from '../../base/units.ts';
import { KELPIE_VERSION } from '../../base/version.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { CommandEnv } from '../../env/env.ts';
import { Crew } from '../../sim/crew.ts';
import { faultNames, isFaultName } from '../../sim/fault-names.ts';
import type { Answer } from '../../sim/jobs.ts';
import { drawPlan, parsePlan, storeKinds, workloadNames } from '../../sim/plan.ts';
import type { Choice, Plan } from '../../sim/plan.ts';
import type { Cli } from '../cli.ts';
import { parseCount, textOption } from '../command.ts';
import type { Options } from '../command.ts';

const WORKERS_MAX = 256;
const PLAN_BYTES_MAX: number = 8 * MIB;
const REF_BYTES_MAX: number = 4 * KIB;

/** Which worlds. @throws KelpieError `usage`. */
export function worldsOf(options: Options): Choice {
  const list = textOption(options, 'faults');
  const faults = list === null ? null : list === 'none' ? [] : list.split(',');
  for (const name of faults ?? []) {
    if (isFaultName(name)) continue;
    throw new KelpieError('usage', `there is no fault "${name}"; there are ${faultNames.join(', ')}.`);
  }
  const wanted = textOption(options, 'workload') ?? 'people';
  const workload = workloadNames.find((name) => name === wanted);
  if (workload === undefined)
    throw new KelpieError('usage', `--workload must be one of ${workloadNames.join(', ')}, not "${wanted}".`);
  const wantedStore = textOption(options, 'store');
  const store = storeKinds.find((kind) => kind === wantedStore);
  if (store === undefined && wantedStore !== null)
    throw new KelpieError('usage', `--store must be one of ${storeKinds.join(', ')}, not "${wantedStore}".`);
  return {
    faults: faults === null ? null : new Set(faults),
    workload,
    ...(store === undefined ? {} : { store }),
  };
}

/** The command that shows a run again. */
export function replayText(options: Options, seed: number): string {
  const path = textOption(options, 'plan');
  if (path !== null) return `kelpie sim --plan ${path} --log`;
  const worlds = ['faults', 'workload', 'store'].map((name) => {
    const value = textOption(options, name);
    return value === null ? '' : ` --${name} ${value}`;
  });
  return `kelpie sim --seed ${seed}${worlds.join('')} --log`;
}

/** @throws KelpieError `usage`. */
export function parseSeed(text: string | undefined): number {
  if (text === undefined) throw new KelpieError('usage', 'say which seed: a whole number.');
  return parseCount(text, 'the seed');
}

/** Does something with workers, which end afterwards. */
export async function withCrew<T>(cli: Cli, options: Options, work: (crew: Crew) => Promise<T>): Promise<T> {
  const text = textOption(options, 'workers');
  const size = text === null ? cli.env.host.cpuCount : parseCount(text, '--workers');
  if (size < 1 || size > WORKERS_MAX)
    throw new KelpieError('usage', `--workers must be between 1 and ${WORKERS_MAX}, not ${size}.`);
  const crew = await Crew.start(cli.env, size);
  try {
    return await work(crew);
  } finally {
    await crew.close();
  }
}

/** The plan in the file of `--plan`, without one that of the seed. @throws KelpieError `usage`, `file_not_found`. */
export async function planOf(cli: Cli, options: Options, seedText: string | undefined): Promise<Plan> {
  const worlds = worldsOf(options);
  return (await planOption(cli, options)) ?? drawPlan(parseSeed(seedText), worlds);
}

async function planOption(cli: Cli, options: Options): Promise<Plan | null> {
  const path = textOption(options, 'plan');
  if (path === null) return null;
  try {
    return parsePlan(fromUtf8(await cli.env.files.readFile(pathOf(cli, path), PLAN_BYTES_MAX)), path);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new KelpieError('file_not_found', `cannot read ${path}: ${error.errno}.`, { cause: error });
  }
}

/** A path of the command line. */
export function pathOf(cli: Cli, path: string): string {
  return path.startsWith('/') ? path : `${cli.env.host.currentDirectory}/${path}`;
}

/** Writes a file for a person. @throws KelpieError `io_failed`. */
export async function writeText(cli: Cli, path: string, text: string): Promise<void> {
  try {
    const file = await cli.env.files.open(pathOf(cli, path), 'w', 0o644);
    try {
      await file.write(utf8(text), 0);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isKelpieError(error) || !isSystemError(error)) throw error;
    throw new KelpieError('io_failed', `cannot write ${path}: ${error.errno}.`, { cause: error });
  }
}

/** The document of `--json FILE` is written there; `--json` alone is the CLI's own. */
export async function writeDocument(cli: Cli, options: Options, document: unknown): Promise<void> {
  const path = textOption(options, 'json');
  if (path !== null) await writeText(cli, path, `${JSON.stringify(document, null, 2)}\n`);
}

/** What a failure says: the rule, what was seen, of which sources, and the one command that shows it again. */
export async function failureText(
  env: CommandEnv,
  { seed, violation }: Answer,
  replay: string,
): Promise<string> {
  const { oracle, what } = violation ?? { oracle: 'none', what: 'nothing failed' };
  return `seed ${seed}: ${oracle}: ${what}\n  sources: ${await sourcesOf(env)}\n  replay: ${replay}`;
}

/** The commit that the sources are of, or the version of an installed program. */
export async function sourcesOf({ files, host }: Pick<CommandEnv, 'files' | 'host'>): Promise<string> {
  const read = async (name: string): Promise<string> =>
    fromUtf8(await files.readFile(`${host.installDirectory}/.git/${name}`, REF_BYTES_MAX)).trim();
  try {
    const head = await read('HEAD');
    return head.startsWith('ref: ') ? await read(head.slice('ref: '.length)) : head;
  } catch (error) {
    // Installed, or packed away by git.
    if (isSystemError(error)) return KELPIE_VERSION;
    throw error;
  }
}
