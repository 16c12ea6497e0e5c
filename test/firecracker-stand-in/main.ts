/** The stand-in's program, started by `firecracker` beside it: reads the command line and serves the interface. */
import { existsSync, readFileSync } from 'node:fs';
import { Api } from './api.ts';
import { ArgumentError, instanceIdFault, parseCommandLine } from './command-line.ts';
import type { CommandLine, Options } from './command-line.ts';
import { startFromFile } from './config-file.ts';
import { osError } from './fault.ts';
import { Faults } from './faults.ts';
import { serveHttp } from './http.ts';
import { Instance } from './instance.ts';
import { Log, parseLevel } from './log.ts';
import { Machine } from './machine.ts';
import { Metrics } from './metrics.ts';
import { Mmds } from './mmds.ts';
import { giveToJail, hostPath } from './paths.ts';
import { readSettings } from './settings.ts';
import type { Settings } from './settings.ts';
import { describeStateFile } from './state-file.ts';
import { formatVersion, snapshotFormat } from './version.ts';

const options: Options = {
  'api-sock': { takesValue: true, byDefault: '/run/firecracker.socket' },
  id: { takesValue: true, byDefault: 'anonymous-instance' },
  'seccomp-filter': { takesValue: true, forbids: 'no-seccomp' },
  'no-seccomp': { forbids: 'seccomp-filter' },
  'start-time-us': { takesValue: true },
  'start-time-cpu-us': { takesValue: true },
  'parent-cpu-time-us': { takesValue: true },
  'config-file': { takesValue: true },
  metadata: { takesValue: true },
  'no-api': { requires: 'config-file' },
  'log-path': { takesValue: true },
  level: { takesValue: true },
  module: { takesValue: true },
  'show-level': {},
  'show-log-origin': {},
  'metrics-path': { takesValue: true },
  'boot-timer': {},
  version: {},
  'snapshot-version': {},
  'describe-snapshot': { takesValue: true },
  'http-api-max-payload-size': { takesValue: true, byDefault: '51200' },
  'mmds-size-limit': { takesValue: true },
  'enable-pci': {},
};

const EXIT_ERROR = 1;
const EXIT_BAD_CONFIGURATION = 152;
const EXIT_ARGUMENTS = 153;

class StartError extends Error {
  override readonly name = 'StartError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_ERROR) {
    super(message);
    this.exitCode = exitCode;
  }
}

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  const line = parseCommandLine(process.argv.slice(2), options);
  const answer = answerOf(line, settings);
  if (answer !== null) {
    process.stdout.write(answer);
    return;
  }
  const idFault = instanceIdFault(line.value('id') ?? '');
  if (idFault !== null) throw new StartError(`Invalid instance ID: ${idFault}`);
  await serve(line, settings);
}

/** What questions are answered with, instead of a start; null when the line is none. */
function answerOf(line: CommandLine, { version }: Settings): string | null {
  if (line.has('help')) return `Firecracker v${formatVersion(version)}\n\n(a stand-in, for tests)\n`;
  if (line.has('version')) return `Firecracker v${formatVersion(version)}\n\n`;
  const format = snapshotFormat(version);
  if (line.has('snapshot-version')) return `v${formatVersion(format)}\n`;
  const statePath = line.value('describe-snapshot');
  return statePath === null ? null : `${describeStateFile(statePath, format)}\n`;
}

async function serve(line: CommandLine, settings: Settings): Promise<void> {
  const { ended, kill } = watchProcess();
  const faults = new Faults(settings.faultsPath);
  await faults.take('start').meet('before', kill);
  const id = line.value('id') ?? '';
  const log = openLog(line, id, settings);
  const metrics = new Metrics();
  const metricsPath = line.value('metrics-path');
  if (metricsPath !== null) metrics.configure(hostPath(metricsPath, settings.jail));
  const payloadBytesMax = Number(line.value('http-api-max-payload-size'));
  const mmds = new Mmds(Number(line.value('mmds-size-limit') ?? payloadBytesMax));
  const instance = new Instance(settings, faults, ended, kill);
  const api = new Api({ id, settings, instance, log, metrics, mmds });
  log.write('info', `Running Firecracker v${formatVersion(settings.version)}`);

  if (!line.has('no-api')) {
    const socketPath = hostPath(line.value('api-sock') ?? '', settings.jail);
    if (existsSync(socketPath)) {
      throw new StartError(
        `RunWithApi error: Failed to open the API socket at: ${socketPath}. Check that it is not already used.`,
      );
    }
    let isFatal = false;
    await serveHttp(socketPath, {
      payloadBytesMax,
      faults,
      kill,
      handle: async (request) => await api.handle(request, () => (isFatal = true)),
      onAnswered: () => {
        if (isFatal) process.exit(EXIT_ERROR);
      },
    });
    giveToJail(socketPath, settings.jail);
    log.write('info', `Listening on API socket ("${socketPath}").`);
  }
  const configPath = line.value('config-file');
  if (configPath !== null)
    await startFromFile(readFileSync(hostPath(configPath, settings.jail), 'utf8'), api);
}

function openLog(line: CommandLine, id: string, { jail }: Settings): Log {
  const log = new Log(id);
  const path = line.value('log-path');
  const level = line.value('level');
  if (level !== null && parseLevel(level) === null) {
    throw new StartError(`Invalid log level: ${level}`, EXIT_BAD_CONFIGURATION);
  }
  log.configure({
    path: path === null ? null : hostPath(path, jail),
    level: level === null ? null : parseLevel(level),
    hasLevel: line.has('show-level'),
  });
  return log;
}

/** Standard input ends when the process that was started has: its machine, or the shell that waits to become one. */
function watchProcess(): { readonly ended: AbortSignal; readonly kill: () => never } {
  const controller = new AbortController();
  const pid = process.ppid;
  process.stdin.on('end', () => {
    controller.abort();
    process.exit(0);
  });
  process.stdin.resume();
  // Firecracker is one process: a machine does not outlive the server of its interface.
  process.on('exit', () => {
    if (!controller.signal.aborted && Machine.isHandedOver) process.kill(pid, 'SIGKILL');
  });
  return {
    ended: controller.signal,
    kill: () => {
      process.kill(pid, 'SIGKILL');
      process.exit(EXIT_ERROR);
    },
  };
}

try {
  await main();
} catch (error) {
  const isKnown = error instanceof ArgumentError || error instanceof StartError;
  const message = isKnown ? error.message : error instanceof Error ? osErrorOrStack(error) : String(error);
  process.stderr.write(`Error: ${message}\n`);
  process.exit(
    error instanceof ArgumentError
      ? EXIT_ARGUMENTS
      : error instanceof StartError
        ? error.exitCode
        : EXIT_ERROR,
  );
}

function osErrorOrStack(error: Error): string {
  return 'code' in error ? osError(error) : (error.stack ?? error.message);
}
