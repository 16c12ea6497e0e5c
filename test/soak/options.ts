import { parseArgs } from 'node:util';
import { KelpieError } from '../../src/base/errors.ts';
import { faultNames, isNetworkFault } from './plan.ts';
import { lastWords } from './run-program.ts';
import type { FaultName } from './plan.ts';

const ROUNDS_DEFAULT = 200;

export interface SoakOptions {
  readonly seed: number;
  readonly rounds: number;
  /** Only this one, in a world of its own; null: from the first. */
  readonly round: number | null;
  /** No further round begins after so long; null: as long as it takes. */
  readonly minutes: number | null;
  readonly faults: readonly FaultName[];
  readonly hasNetwork: boolean;
  readonly hasDisks: boolean;
  readonly jsonPath: string | null;
}

/** @throws KelpieError `usage`. */
export function readOptions(args: readonly string[], drawSeed: () => number): SoakOptions {
  const values = parse(args);
  const hasNetwork = values['no-network'] !== true;
  const hasDisks = values['no-disk'] !== true;
  const given = values.faults === undefined ? faultNames : values.faults.split(',').map(faultOf);
  const faults = given.filter(
    (fault) => (hasNetwork || !isNetworkFault(fault)) && (hasDisks || fault !== 'fill-disk'),
  );
  if (faults.length === 0) throw new KelpieError('usage', 'No fault is left to draw from.');
  return {
    seed: countOf('seed', values.seed) ?? drawSeed(),
    rounds: countOf('rounds', values.rounds) ?? ROUNDS_DEFAULT,
    round: countOf('round', values.round),
    minutes: countOf('minutes', values.minutes),
    faults,
    hasNetwork,
    hasDisks,
    jsonPath: values.json ?? null,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const counts = { seed: text, rounds: text, round: text, minutes: text };
  const others = { faults: text, json: text, 'no-network': flag, 'no-disk': flag };
  try {
    return parseArgs({ args: [...args], options: { ...counts, ...others } }).values;
  } catch (error) {
    throw new KelpieError('usage', `${lastWords(error)}.`);
  }
}

function countOf(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1)
    throw new KelpieError('usage', `--${name} must be a whole number from 1 on, not "${text}".`);
  return count;
}

function faultOf(text: string): FaultName {
  const found = faultNames.find((name) => name === text);
  if (found === undefined)
    throw new KelpieError('usage', `"${text}" is no fault; there are ${faultNames.join(', ')}.`);
  return found;
}
