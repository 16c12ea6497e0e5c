import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import { parseCount, textOption } from '../command.ts';
import { ageText } from '../views.ts';
import type { SessionInfo } from '../../guest/guest-agent.ts';
import type { LeafCommand } from '../command.ts';

const signals: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  KILL: 9,
  USR1: 10,
  USR2: 12,
  TERM: 15,
  CONT: 18,
  STOP: 19,
};

export const sessions: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .option('--kill <session>', 'signal this one')
      .option('--signal <signal>', 'with --kill: name or number (default: TERM)')
      .option('--forget <session>', 'drop the kept output of one that has ended')
      .addHelpText(
        'after',
        '\nExamples:\n  kelpie sessions dev\n  kelpie sessions dev --kill 3 --signal KILL',
      );
  },
  run: async (cli, [vm = ''], options) => {
    const killed = textOption(options, 'kill');
    const forgotten = textOption(options, 'forget');
    if (killed !== null) {
      const session = parseCount(killed, '--kill');
      const signal = parseSignal(textOption(options, 'signal') ?? 'TERM');
      await cli.call(routes.sessionSignal, { parameters: { vm, session }, body: { signal } });
      await cli.output.result({ session, signal }, `session ${session} got signal ${signal}`);
      return 0;
    }
    if (forgotten !== null) {
      const session = parseCount(forgotten, '--forget');
      await cli.call(routes.sessionForget, { parameters: { vm, session } });
      await cli.output.result({ session }, `session ${session} is forgotten`);
      return 0;
    }
    const list = await cli.call(routes.sessionList, { parameters: { vm } });
    const nowMs = cli.env.clock.wallMs();
    const rows = list.sessions.map((one) => [
      String(one.session),
      String(one.pid),
      one.user,
      stateOf(one),
      ageText(one.startedAtUnixMs, nowMs),
      one.argv.join(' '),
    ]);
    const table = cli.output.table(['SESSION', 'PID', 'USER', 'STATE', 'STARTED', 'COMMAND'], rows);
    await cli.output.result(list, list.sessions.length === 0 ? `no commands in ${vm}` : table);
    return 0;
  },
};

function stateOf(session: SessionInfo): string {
  if (session.exit === null) return session.attached ? 'running, attached' : 'running';
  return 'code' in session.exit
    ? `ended with ${session.exit.code}`
    : `ended by signal ${session.exit.signal}`;
}

function parseSignal(text: string): number {
  const named = signals[text.toUpperCase().replace(/^SIG/, '')];
  if (named !== undefined) return named;
  const number = parseCount(text, '--signal');
  if (number < 1 || number > 64)
    throw new KelpieError('usage', `--signal must be a name or 1 … 64, not "${text}".`);
  return number;
}
