/** The command line. `main` is a function of its arguments and the outside, so that tests and the simulator can run it whole. */
import { Command, CommanderError, Option } from 'commander';
import { assert } from '../base/assert.ts';
import { errorCodes } from '../base/error-codes.ts';
import { isKelpieError } from '../base/errors.ts';
import { isSystemError } from '../env/system-error.ts';
import type { CommandEnv } from '../env/env.ts';
import type { Terminal } from '../env/terminal.ts';
import type { CommandDefinition, Handler, LeafCommand } from './command.ts';
import { Cli } from './cli.ts';
import { commands } from './commands.ts';
import { KELPIE_VERSION } from '../base/version.ts';

const EXIT_INTERNAL = errorCodes.internal.exit;
const EXIT_USAGE = errorCodes.usage.exit;
/** What shells give for a program ended by SIGPIPE. */
const EXIT_BROKEN_PIPE = 141;

const about = 'Moves running Linux VMs between machines: same processes, same memory, same open files.';

const afterHelp = `
Examples:
  kelpie up dev --memory 512              boot a VM
  kelpie exec dev -- python3 train.py     run a command in it
  kelpie snapshot dev -m "before"         a point to come back to
  kelpie teleport dev --to /mnt/store     suspend it here, publish it
  kelpie restore dev --from /mnt/store    on another host: the same processes go on

Exit status: 0 done; 64 wrong call; 66 no such VM, snapshot, package or image; 69 this host cannot;
70 a bug of ours; 73 no space or not writable; 74 failed; 75 not now, try again; 76 the guest broke the protocol;
77 not allowed; 130 interrupted. "exec" gives the command's own status, 128 + N when signal N ended
it, 124 when its time was over, 126 when it could not start.`;

/** Runs one command line, without the program's name. Resolves with the exit status. */
export async function main(env: CommandEnv, terminal: Terminal, args: readonly string[]): Promise<number> {
  const isJson = args.slice(0, endOfOptions(args)).includes('--json');
  try {
    return await dispatch(env, terminal, args);
  } catch (error) {
    if (isSystemError(error, 'EPIPE')) return EXIT_BROKEN_PIPE;
    return tell(terminal, error, isJson, env.host.variable('KELPIE_DEBUG') !== null);
  }
}

function endOfOptions(args: readonly string[]): number {
  const end = args.indexOf('--');
  return end === -1 ? args.length : end;
}

async function dispatch(env: CommandEnv, terminal: Terminal, args: readonly string[]): Promise<number> {
  const texts: HelpText[] = [];
  const running: Promise<number>[] = [];
  const program = new Command('kelpie')
    .description(about)
    .addHelpText('after', afterHelp)
    .version(KELPIE_VERSION, '-V, --version')
    .enablePositionalOptions()
    .showHelpAfterError('(kelpie --help shows what there is)');
  configure(program, texts);
  addGlobals(program);
  const named = args.find((arg, at) => !arg.startsWith('-') && args[at - 1] !== '--home');
  // A line that begins with its command needs no other: declaring them all takes 3 ms.
  const alone = commands.filter(({ name }) => name === args[0]);
  for (const entry of alone.length > 0 ? alone : commands) {
    const command = program.command(entry.name).description(entry.summary);
    configure(command, texts);
    if (entry.name !== named) continue;
    const definition = await entry.load();
    define(command, definition, texts, (handler, positional, options) => {
      assert(running.length === 0, 'two commands in one line');
      const home = typeof options['home'] === 'string' ? options['home'] : defaultHome(env);
      const cli = new Cli(env, terminal, {
        json: options['json'] === true,
        color: options['color'] !== false,
        home: absolute(env, home),
      });
      running.push(handler(cli, positional, options));
    });
  }
  try {
    program.parse(args.length === 0 ? ['--help'] : [...args], { from: 'user' });
    const [only] = running;
    return only === undefined ? 0 : await only;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : EXIT_USAGE;
  } finally {
    for (const { isError, text } of texts)
      await (isError ? terminal.writeError(text) : terminal.writeOutput(text));
  }
}

/** Commander writes at once; a terminal of ours takes text in its own time. */
interface HelpText {
  readonly isError: boolean;
  readonly text: string;
}

function configure(command: Command, texts: HelpText[]): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => texts.push({ isError: false, text }),
    writeErr: (text) => texts.push({ isError: true, text }),
  });
}

type Start = (handler: Handler, args: readonly string[], options: Record<string, unknown>) => void;

function define(command: Command, definition: CommandDefinition, texts: HelpText[], start: Start): void {
  if (!('members' in definition)) {
    defineLeaf(command, definition, start);
    return;
  }
  addGlobals(command);
  for (const [name, member] of Object.entries(definition.members)) {
    const child = command.command(name).description(member.summary);
    configure(child, texts);
    defineLeaf(child, member, start);
  }
}

function defineLeaf(command: Command, leaf: LeafCommand, start: Start): void {
  leaf.declare(command);
  addGlobals(command);
  command.action(() => {
    start(leaf.run, command.args, command.optsWithGlobals());
  });
}

function addGlobals(command: Command): void {
  // A command may have a `--json` of its own that takes a file.
  if (!command.options.some(({ long }) => long === '--json'))
    command.option('--json', 'machine-readable result on stdout');
  command
    .addOption(new Option('--home <dir>', 'state directory of this host (default: KELPIE_HOME or ~/.kelpie)'))
    .option('--no-color', 'no colours (also: NO_COLOR)');
}

function defaultHome(env: CommandEnv): string {
  return env.host.variable('KELPIE_HOME') ?? `${env.host.homeDirectory}/.kelpie`;
}

function absolute(env: CommandEnv, path: string): string {
  return path.startsWith('/') ? path.replace(/\/+$/, '') : `${env.host.currentDirectory}/${path}`;
}

async function tell(terminal: Terminal, error: unknown, isJson: boolean, isDebug: boolean): Promise<number> {
  const known = isKelpieError(error);
  const code = known ? error.code : 'internal';
  const sentence = known
    ? error.message
    : `an internal error (KELPIE_DEBUG=1 shows it): ${error instanceof Error ? error.message : String(error)}`;
  if (isJson) {
    await terminal.writeOutput(
      `${JSON.stringify({ error: { code, message: sentence, data: known ? error.data : {} } }, null, 2)}\n`,
    );
  } else {
    await terminal.writeError(`kelpie: ${sentence} [${code}]\n`);
  }
  if (isDebug && error instanceof Error) await terminal.writeError(`${error.stack ?? ''}\n`);
  return known ? errorCodes[error.code].exit : EXIT_INTERNAL;
}
