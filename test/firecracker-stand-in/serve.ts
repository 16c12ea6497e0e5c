/** Begins what a command line asks for: the socket of the interface, a machine from a file, or both. */
import { existsSync, readFileSync } from 'node:fs';
import { Api } from '../../src/sim/firecracker/handlers.ts';
import { isMembers } from '../../src/sim/firecracker/api/check-body.ts';
import { EXIT_ERROR } from '../../src/sim/firecracker/command-line.ts';
import type { CommandLine } from '../../src/sim/firecracker/command-line.ts';
import { startFromFile } from './config-file.ts';
import { Faults } from './faults.ts';
import { serveHttp } from './http.ts';
import { Instance } from '../../src/sim/firecracker/instance.ts';
import { Log, parseLevel } from './log.ts';
import { Metrics } from './metrics.ts';
import { Mmds } from './mmds.ts';
import { moreHandlers } from './handlers.ts';
import { giveToJail, hostPath } from './paths.ts';
import { StandInPlatform } from './platform.ts';
import type { StandInMachine } from './platform.ts';
import type { ProcessWatch } from './process-watch.ts';
import type { Settings } from './settings.ts';
import { EXIT_BAD_CONFIGURATION, StartError } from './start-error.ts';
import { formatVersion } from '../../src/sim/firecracker/version.ts';

/** @param processId of the process that was started as Firecracker. @throws StartError, ArgumentError, or an error of the system. */
export async function serve(
  line: CommandLine,
  id: string,
  settings: Settings,
  processId: number,
): Promise<void> {
  const watch = watchProcess(processId);
  const { kill } = watch;
  const faults = new Faults(settings.faultsPath);
  await (await faults.take('start')).meet('before', kill);
  const log = openLog(line, id, settings);
  const metrics = new Metrics(settings.jail);
  const metricsPath = line.value('metrics-path');
  if (metricsPath !== null) metrics.configure(metricsPath);
  const payloadBytesMax = Number(line.value('http-api-max-payload-size'));
  const mmds = new Mmds(Number(line.value('mmds-size-limit') ?? payloadBytesMax));
  const metadataPath = line.value('metadata');
  if (metadataPath !== null) mmds.put(readMetadata(hostPath(metadataPath, settings.jail)));
  const { version, jail } = settings;
  const platform = new StandInPlatform(settings, faults, watch);
  const instance = new Instance(platform);
  const more = moreHandlers(instance, mmds, { paths: platform, jail });
  const nowMs = (): number => performance.now();
  const api = new Api({ id, version, instance, log, metrics, nowMs, more });
  log.write('info', `Running Firecracker v${formatVersion(settings.version)}`);

  if (!line.has('no-api')) {
    await listen(hostPath(line.value('api-sock') ?? '', settings.jail), {
      api,
      faults,
      watch,
      payloadBytesMax,
      log,
      settings,
    });
  }
  const configPath = line.value('config-file');
  if (configPath !== null)
    await startFromFile(readFileSync(hostPath(configPath, settings.jail), 'utf8'), api);
}

interface Listening {
  readonly api: Api<StandInMachine>;
  readonly faults: Faults;
  readonly watch: ProcessWatch;
  readonly payloadBytesMax: number;
  readonly log: Log;
  readonly settings: Settings;
}

async function listen(socketPath: string, parts: Listening): Promise<void> {
  if (existsSync(socketPath)) {
    const failure = `Failed to open the API socket at: ${socketPath}. Check that it is not already used.`;
    throw new StartError(`RunWithApi error: ${failure}`);
  }
  let isFatal = false;
  parts.watch.exitIfOver();
  await serveHttp(socketPath, {
    ...parts,
    kill: parts.watch.kill,
    handle: async (request) => await parts.api.handle(request, () => (isFatal = true)),
    onAnswered: () => {
      if (isFatal) process.exit(EXIT_ERROR);
    },
  });
  giveToJail(socketPath, parts.settings.jail);
  parts.log.write('info', `Listening on API socket ("${socketPath}").`);
}

function readMetadata(path: string): Readonly<Record<string, unknown>> {
  const metadata: unknown = JSON.parse(readFileSync(path, 'utf8'));
  if (!isMembers(metadata)) throw new StartError('MMDS error: metadata provided not valid json');
  return metadata;
}

function openLog(line: CommandLine, id: string, { jail }: Settings): Log {
  const log = new Log(id, jail);
  const path = line.value('log-path');
  const level = line.value('level');
  if (level !== null && parseLevel(level) === null) {
    throw new StartError(`Invalid log level: ${level}`, EXIT_BAD_CONFIGURATION);
  }
  log.configure({ path, level, hasLevel: line.has('show-level') });
  return log;
}

/**
 * Standard input ends when the process that was started has: its machine, or the shell that waits to become one. The other way about, that
 * process is killed when a machine's server ends, by a third one (`firecracker`).
 */
function watchProcess(pid: number): ProcessWatch {
  const exitIfOver = (): void => {
    if (process.ppid !== pid) process.exit(0);
  };
  exitIfOver();
  process.stdin.on('end', () => process.exit(0));
  process.stdin.resume();
  return {
    pid,
    exitIfOver,
    kill: () => {
      process.kill(pid, 'SIGKILL');
      process.exit(EXIT_ERROR);
    },
  };
}
