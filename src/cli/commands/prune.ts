import { requireKeeping } from '../../daemon/api/limits.ts';
import { routes } from '../../daemon/api/routes.ts';
import { errorCodes } from '../../base/error-codes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import { isSet } from '../command.ts';
import { declarePruneRule, prunedCountText, prunedText, pruneRuleOf } from '../prune-options.ts';
import { ageText, shortId } from '../views.ts';
import type { KelpieError } from '../../base/errors.ts';
import type { Cli } from '../cli.ts';
import type { LeafCommand } from '../command.ts';
import type { SnapshotPrune, SnapshotsPruned } from '../../daemon/api/prune.ts';

/** What became of one VM's. */
interface Outcome {
  readonly vm: string;
  readonly pruned: SnapshotsPruned | null;
  /** Why nothing was; null when it was. */
  readonly failure: KelpieError | null;
}

export const prune: LeafCommand = {
  declare: (command) => {
    command.argument('[vms...]', 'names or ids (default: all of this host)');
    declarePruneRule(command);
    command.addHelpText(
      'after',
      `
Each VM is counted for itself, and its checkpoints apart from its snapshots; what any of the rules keeps is kept. Days are those of UTC. What a
VM runs from, sleeps in, left with, or goes back to with \`kelpie restore\` is never removed. Forks and later snapshots need no earlier one.

Examples:
  kelpie prune --keep-last 5 --keep-daily 7 --dry-run
  kelpie prune dev --keep-within 2d`,
    );
  },
  run: async (cli, named, options) => {
    const body = { rule: pruneRuleOf(options), isDryRun: isSet(options, 'dryRun') };
    requireKeeping(body.rule, 'snapshots');
    const vms = named.length > 0 ? named : await readableVms(cli);
    const outcomes: Outcome[] = [];
    for (const vm of vms) outcomes.push(await pruneOne(cli, vm, body));
    const [only] = outcomes;
    if (outcomes.length === 1 && only !== undefined && only.failure !== null) throw only.failure;
    const freedBytes = outcomes.reduce((sum, { pruned }) => sum + (pruned?.freedBytes ?? 0), 0);
    const result = {
      vms: outcomes.map(({ vm, pruned, failure }) => ({ vm, ...pruned, failed: failure?.message ?? null })),
      freedBytes,
    };
    await cli.output.result(result, textOf(cli, outcomes, body.isDryRun, freedBytes));
    const failure = outcomes.find((outcome) => outcome.failure !== null)?.failure ?? null;
    return failure === null ? 0 : errorCodes[failure.code].exit;
  },
};

/** One that is damaged has no record to go by. */
async function readableVms(cli: Cli): Promise<readonly string[]> {
  const { vms } = await cli.call(routes.vmList);
  return vms.filter(({ state }) => state !== 'damaged').map(({ name }) => name);
}

/** What is wrong with the request is so for every VM; what else fails is told, and the others are pruned all the same. */
async function pruneOne(cli: Cli, vm: string, body: SnapshotPrune): Promise<Outcome> {
  try {
    return { vm, pruned: await cli.call(routes.snapshotPrune, { parameters: { vm }, body }), failure: null };
  } catch (error) {
    if (!isKelpieError(error) || isKelpieError(error, 'usage', 'invalid_argument', 'daemon_unavailable'))
      throw error;
    return { vm, pruned: null, failure: error };
  }
}

function textOf(cli: Cli, outcomes: readonly Outcome[], isDryRun: boolean, freedBytes: number): string {
  const nowMs = cli.env.clock.wallMs();
  const snapshots = outcomes.flatMap(({ vm, pruned }) =>
    (pruned?.snapshots ?? []).map((snapshot) => ({ vm, ...snapshot })),
  );
  const rows = snapshots.map(({ id, vm, kind, createdAtUnixMs, keptBy, message }) => [
    shortId(id),
    vm,
    kind === 'checkpoint' ? kind : 'snapshot',
    ageText(createdAtUnixMs, nowMs),
    prunedText(keptBy, isDryRun),
    message,
  ]);
  const heads = ['SNAPSHOT', 'VM', 'KIND', 'TAKEN', 'OUTCOME', 'MESSAGE'];
  const damaged = outcomes.flatMap(({ pruned }) => pruned?.damaged ?? []);
  return [
    ...(rows.length > 0 ? [cli.output.table(heads, rows)] : []),
    `${prunedCountText(snapshots, 'snapshots', isDryRun)}, which ${isDryRun ? 'would free' : 'frees'} ${formatBytes(freedBytes)}`,
    ...(damaged.length > 0 ? [`damaged snapshots stay: ${damaged.map(shortId).join(' ')}`] : []),
    ...outcomes.flatMap(({ failure }) => (failure === null ? [] : [failure.message])),
  ].join('\n');
}
