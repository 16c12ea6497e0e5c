import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import { isSet, textOption } from '../command.ts';
import { backendsText, cpuText } from '../facts-text.ts';
import { shortKey } from '../seal-text.ts';
import { STORE_HELP } from '../store-option.ts';
import { absolutePath, ageText, shortId } from '../views.ts';
import type { MemberCommand } from '../command.ts';
import type { StoreHost } from '../../daemon/api/store-hosts.ts';

export const storeHosts: MemberCommand = {
  summary: 'the hosts that use a store, and what they can run',
  declare: (command) => {
    command
      .argument('<store>', STORE_HELP)
      .option('--join', 'tell the store what this host can run')
      .option('--forget <host>', 'remove what a host said that is gone, by its name or id')
      .addHelpText(
        'after',
        `
A host tells a store what it can run with its first teleport, restore or checkpoint there, and again when that has changed; --join does it at
once. It is what kelpie teleport --for and kelpie package show --for go by. In an encrypted store only recipients can read it.

Examples:
  kelpie store hosts s3://bucket/team
  kelpie store hosts s3://bucket/team --join
  kelpie store hosts s3://bucket/team --forget old-laptop`,
      );
  },
  run: async (cli, [url = ''], options) => {
    const storeUrl = absolutePath(cli.env, url);
    const forgotten = textOption(options, 'forget');
    if (forgotten !== null && isSet(options, 'join'))
      throw new KelpieError('usage', 'say one of --join and --forget.');
    if (forgotten !== null) {
      await cli.call(routes.storeForget, { parameters: { host: forgotten }, query: { storeUrl } });
      await cli.output.result({ forgotten }, `${storeUrl} does not know ${forgotten} any more`);
      return 0;
    }
    if (isSet(options, 'join')) {
      const joined = await cli.call(routes.storeJoin, { body: { storeUrl } });
      await cli.output.result(
        joined,
        `${storeUrl} knows this host as ${joined.name} (${shortId(joined.id)}): ${backendsText(joined.facts)}`,
      );
      return 0;
    }
    const list = await cli.call(routes.storeHosts, { query: { storeUrl } });
    const nowMs = cli.env.clock.wallMs();
    const table = cli.output.table(
      ['HOST', 'ID', 'ARCH', 'CPU', 'RUNS', 'KELPIE', 'TOLD', 'SIGNED BY'],
      list.hosts.map((host) => row(host, nowMs)),
    );
    const damaged = list.damaged.map(({ reason }) => reason);
    const lines = [
      list.hosts.length === 0 ? 'no host has told this store what it can run' : table,
      ...damaged,
    ];
    await cli.output.result(list, lines.join('\n'));
    return 0;
  },
};

function row(host: StoreHost, nowUnixMs: number): readonly string[] {
  const { id, name, facts, kelpieVersion, toldAtUnixMs, isThisHost, signedBy } = host;
  return [
    isThisHost ? `${name} (this host)` : name,
    shortId(id),
    facts.source.architecture,
    cpuText(facts),
    backendsText(facts),
    kelpieVersion,
    ageText(toldAtUnixMs, nowUnixMs),
    signedBy === null ? '' : shortKey(signedBy),
  ];
}
