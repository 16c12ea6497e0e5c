/** `kelpie sim`: runs the program in a simulated world, in processes of its own. */
import { KelpieError } from '../../base/errors.ts';
import { isSet } from '../command.ts';
import type { LeafCommand } from '../command.ts';

const help = `
Each seed is a world with its own workload, schedule and faults; oracles that know the truth check that nothing runs
twice, nothing is lost, and everything comes to its end. Exit status 1 when a seed failed or coverage is missing.

Examples:
  kelpie sim --seeds 10000                        seeds 1 to 10000, on all cores
  kelpie sim --seed 4711 --log                    one seed again, and what its daemons logged
  kelpie sim --minutes 60 --json nightly.json     for an hour; DST_SEED says where to begin
  kelpie sim --faults daemon_crash,clock_jump     worlds with these faults only
  kelpie sim --seeds 3000 --require faults        each fault must have had an effect
  kelpie sim shrink 4711                          the smallest run that fails the same way
  kelpie sim trace 4711 --html run.html           a page that shows what happened
  kelpie sim --exhaustive                         a short workload, hit at every call that it makes`;

export const sim: LeafCommand = {
  declare: (command) => {
    command
      .argument('[action]', 'shrink or trace; without one, seeds are run')
      .argument('[seed]', 'the seed to shrink or to trace')
      .option('--seeds <n>', 'how many seeds (default: 100, or 1 with --seed)')
      .option('--seed <seed>', 'the first seed (default: DST_SEED or 1)')
      .option('--minutes <n>', 'for so long instead of so many')
      .option(
        '--workload <name>',
        'people, crowd (long), errand (short, always the same), vanish (leases and reclaims), firecracker or rush (both hosts at once)',
      )
      .option('--faults <list>', 'only these faults, with commas between them; "none" for none')
      .option('--store <kind>', 'worlds whose store is a directory, or an s3 service (default: drawn)')
      .option('--workers <n>', 'processes (default: one for each core)')
      .option('--require <list>', 'coverage to reach: faults, sometimes, or names of them')
      .option('--until-failure', 'stop at the first seed that fails')
      .option('--exhaustive', 'one run for each call of a short workload and each fault it can meet')
      .option(
        '--calls-per-place <n>',
        'with --exhaustive: of the calls about the same file, so many (default: 1)',
      )
      .option('--plan <file>', 'run a plan that shrink wrote')
      .option('--log', 'with one seed: show what the daemons logged')
      .option('--html <file>', 'with trace: where the page goes')
      .option('--output <file>', 'with shrink: where the smallest plan goes')
      .option('--json [file]', 'the result as a JSON document, on stdout or in a file')
      .addHelpText('after', help);
  },
  run: async (cli, [action, seed], options) => {
    if (action === 'shrink') return (await import('../sim/shrink.ts')).shrink(cli, seed, options);
    if (action === 'trace') return (await import('../sim/trace.ts')).trace(cli, seed, options);
    if (action !== undefined)
      throw new KelpieError('usage', `\`kelpie sim\` has the actions shrink and trace, not "${action}".`);
    if (isSet(options, 'exhaustive')) return (await import('../sim/exhaustive.ts')).exhaustive(cli, options);
    return (await import('../sim/run.ts')).run(cli, options);
  },
};
