/** What a campaign must have met to count: a world in which nothing happens breaks no rule. */
import { KelpieError } from '../base/errors.ts';
import { faultNames } from './fault-names.ts';
import { actNames } from './plan.ts';
import type { Summary } from './report.ts';

/** A reclaim needs a host that is gone for longer than its lease: that is `--workload vanish`, where it is asked for by its name. */
const ofVanish: readonly string[] = ['done reclaim'];
/** Paths that are to be taken sometimes. */
const paths: readonly string[] = [
  ...actNames.map((name) => `done ${name}`).filter((name) => !ofVanish.includes(name)),
  'restored',
  'checkpoint: reloaded',
  'checkpoint: files changed',
  'local pages used',
  'local pages doubted',
  'firecracker: snapshotted',
  'firecracker: restored',
  'firecracker: adopted',
  'firecracker: ended by a failed load',
  'firecracker: caged',
  'tap: used',
  'user network: used',
  'user network: port published',
  'converged at rest',
  'converged running',
  'converged paused',
  'converged stopped',
  'converged suspended',
  'suspended',
  'converged crashed',
];

/** Of the faults and paths that were asked for, those that a campaign did not meet. */
export function missingCoverage(summary: Summary, names: readonly string[]): readonly string[] {
  return names.filter((name) => !(effectOf(summary, name) > 0));
}

/**
 * Faults and paths by their names. @param wanted `faults` (each had an effect), `sometimes` (each main path was taken), or names of
 * either. @throws KelpieError `usage` for a name that is none.
 */
export function coverageNames(wanted: readonly string[]): readonly string[] {
  return wanted.flatMap((name) => {
    if (name === 'faults') return faultNames;
    if (name === 'sometimes') return paths;
    if ([...paths, ...ofVanish].includes(name) || faultNames.some((fault) => fault === name)) return [name];
    throw new KelpieError(
      'usage',
      `"${name}" is no fault and no path of the simulation: see docs/SIMULATION.md.`,
    );
  });
}

function effectOf({ faults, sometimes }: Summary, name: string): number {
  return faults[name]?.effective ?? sometimes[name] ?? 0;
}
