import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import { runAttached } from '../exec-client.ts';
import { collect, isSet, listOption, parseCount, parseDurationMs, textOption } from '../command.ts';
import type { ExecStart } from '../../daemon/api/exec.ts';
import type { TerminalSize } from '../../guest/guest-agent.ts';
import type { Cli } from '../cli.ts';
import type { LeafCommand, Options } from '../command.ts';
import type { ExecOutcome } from '../exec-client.ts';

const EXIT_TIMED_OUT = 124;
const EXIT_SIGNAL_BASE = 128;

export const exec: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<command...>', 'the command and its arguments')
      .passThroughOptions()
      .option('-i, --interactive', 'give it our standard input')
      .option('-t, --tty', 'give it a terminal (with -i for a shell)')
      .option('-e, --env <name=value>', 'set a variable; may be repeated', collect, [])
      .option('-w, --cwd <folder>', 'where it runs')
      .option('-u, --user <user>', 'as whom it runs (default: root)')
      .option('--timeout <time>', 'end it after this time, like 30s or 5m')
      .option('-d, --detach', 'start it and return; `kelpie attach` joins it later')
      .addHelpText(
        'after',
        `
Standard output and error stay apart, and the exit status is the command's own. Ctrl-C goes to the command; three in a row let go of it.
With -t, Ctrl-P Ctrl-Q lets go of it. A command that was let go runs on, also through a teleport.

Examples:
  kelpie exec dev -- python3 train.py
  kelpie exec -it dev -- bash
  kelpie exec --detach dev -- make -j4
  tar c src | kelpie exec -i dev -- tar x -C /root`,
      );
  },
  run: async (cli, [vm = '', ...argv], options) => {
    const isTty = isSet(options, 'tty');
    const start = execStart(cli, argv[0] === '--' ? argv.slice(1) : argv, options);
    if (isSet(options, 'detach')) {
      const started = await cli.call(routes.sessionStart, { parameters: { vm }, body: start });
      await cli.output.result(
        started,
        `session ${started.session} (pid ${started.pid}): kelpie attach ${vm} ${started.session}`,
      );
      return 0;
    }
    const outcome = await runAttached(cli, {
      vm,
      open: { start },
      hasInput: isSet(options, 'interactive'),
      isTty,
    });
    return finish(cli, vm, outcome);
  },
};

export const attach: LeafCommand = {
  declare: (command) => {
    command
      .argument('<vm>', 'name or id')
      .argument('<session>', 'number of the session (kelpie sessions VM lists them)')
      .option('--no-stdin', 'only watch')
      .addHelpText(
        'after',
        '\nWhat it has said while nobody was attached comes first, as far as it is kept (1 MiB per stream).\n\nExamples:\n  kelpie attach dev 3',
      );
  },
  run: async (cli, [vm = '', session = ''], options) => {
    const number = parseCount(session, 'the session');
    const { sessions } = await cli.call(routes.sessionList, { parameters: { vm } });
    const found = sessions.find((one) => one.session === number);
    if (found === undefined) {
      throw new KelpieError(
        'session_not_found',
        `there is no session ${number} in "${vm}": kelpie sessions ${vm} lists them.`,
      );
    }
    const hasInput = options['stdin'] !== false && found.running;
    const outcome = await runAttached(cli, {
      vm,
      open: { attach: { session: number, offsets: {} } },
      hasInput,
      isTty: found.tty && cli.terminal.isInputTty && hasInput,
    });
    return finish(cli, vm, outcome);
  },
};

function execStart(cli: Cli, argv: readonly string[], options: Options): ExecStart {
  const environment = Object.fromEntries(listOption(options, 'env').map(parseVariable));
  const cwd = textOption(options, 'cwd');
  const user = textOption(options, 'user');
  const timeout = textOption(options, 'timeout');
  return {
    argv,
    stdin: isSet(options, 'interactive'),
    ...(Object.keys(environment).length === 0 ? {} : { env: environment }),
    ...(cwd === null ? {} : { cwd }),
    ...(user === null ? {} : { user }),
    ...(timeout === null ? {} : { timeoutMs: parseDurationMs(timeout, '--timeout') }),
    ...(isSet(options, 'tty') ? { tty: terminalSize(cli) } : {}),
  };
}

function terminalSize(cli: Cli): TerminalSize {
  return cli.terminal.size() ?? { rows: 24, columns: 80 };
}

function parseVariable(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new KelpieError('usage', `--env must be NAME=VALUE, not "${text}".`);
  return [text.slice(0, at), text.slice(at + 1)];
}

async function finish(cli: Cli, vm: string, outcome: ExecOutcome): Promise<number> {
  if (outcome.kind === 'detached') {
    await cli.output.notice(`let go; the command runs on: kelpie sessions ${vm}`);
    return 0;
  }
  if (outcome.exit.timedOut) {
    await cli.output.notice('kelpie: the command was ended because its time was over [exec_timeout]');
    return EXIT_TIMED_OUT;
  }
  return 'code' in outcome.exit ? outcome.exit.code : EXIT_SIGNAL_BASE + outcome.exit.signal;
}
