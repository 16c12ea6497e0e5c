import { routes } from '../../daemon/api/routes.ts';
import { KELPIE_VERSION } from '../../base/version.ts';
import { errorCodes } from '../../base/error-codes.ts';
import { KelpieError } from '../../base/errors.ts';
import { formatDurationMs } from '../../base/units.ts';
import { DaemonClient } from '../daemon-client.ts';
import { isSet, textOption } from '../command.ts';
import { isDaemonUp, socketPath } from '../daemon-launch.ts';
import { backendsText, cpuText, imagesText } from '../facts-text.ts';
import { absolutePath } from '../views.ts';
import type { Cli } from '../cli.ts';
import type { CommandGroup, LeafCommand } from '../command.ts';
import type { Colour } from '../output.ts';
import type { DoctorReport, FindingLevel } from '../../daemon/api/system.ts';

const STOP_TIMEOUT_MS = 15_000;
const POLL_MS = 20;
const colours: Readonly<Record<FindingLevel, Colour>> = { ok: 'green', warning: 'yellow', problem: 'red' };

export const doctor: LeafCommand = {
  declare: (command) => {
    command
      .option('--store <store>', 'ask this store too whether it keeps what Kelpie rests on')
      .option('--repair', 'end orphaned processes, remove what was cut, and settle what waits; each is told')
      .addHelpText(
        'after',
        '\nExit status 69 when something must be repaired before VMs run. A store is written to, under a name of its own\nthat is removed again.\n\nExamples:\n  kelpie doctor\n  kelpie doctor --repair\n  kelpie doctor --store s3://bucket/team',
      );
  },
  run: async (cli, _args, options) => {
    const store = textOption(options, 'store');
    const storeUrl = store === null ? undefined : absolutePath(cli.env, store);
    const repaired = isSet(options, 'repair') ? await cli.call(routes.repair) : null;
    const examined = await cli.call(routes.doctor, { query: { storeUrl } });
    const report = {
      ...examined,
      findings: [
        ...(repaired?.findings ?? []).filter(({ check }) => check === 'repaired'),
        ...examined.findings,
      ],
    };
    const lines = report.findings.map(
      ({ check, level, text }) => `${cli.output.colour(colours[level], level.padEnd(7))}  ${check}: ${text}`,
    );
    await cli.output.result(report, [...lines, ...factsLines(report)].join('\n'));
    return report.ok ? 0 : errorCodes.backend_unavailable.exit;
  },
};

/** To compare with what kelpie store hosts tells of others. */
function factsLines({ facts }: DoctorReport): readonly string[] {
  if (facts === null) return [];
  const { architecture, kernel } = facts.source;
  return [
    `this host is ${architecture}, ${kernel}, CPU ${cpuText(facts)}`,
    `it runs ${backendsText(facts)}; images: ${imagesText(facts)}`,
  ];
}

export const version: LeafCommand = {
  declare: (command) => {
    command.addHelpText('after', '\nExamples:\n  kelpie version --json');
  },
  run: async (cli) => {
    const isUp = await isDaemonUp(cli.env, cli.home);
    const daemonView = isUp
      ? await new DaemonClient(cli.env, socketPath(cli.home)).call(routes.version)
      : null;
    const daemonText =
      daemonView === null
        ? 'daemon not running'
        : `daemon ${daemonView.version} (pid ${daemonView.pid}, host ${daemonView.hostName})`;
    await cli.output.result(
      { version: KELPIE_VERSION, daemon: daemonView },
      `kelpie ${KELPIE_VERSION}\n${daemonText}`,
    );
    return 0;
  },
};

/** The daemon itself runs in `src/bin`, which alone may reach it; the command is here for the help and the completion. */
export const serve: LeafCommand = {
  declare: (command) => {
    command.addHelpText(
      'after',
      '\nCommands start it by themselves; run it in the foreground to watch it.\n\nExamples:\n  kelpie serve --home /tmp/a',
    );
  },
  run: async () => {
    throw new KelpieError('internal', '`serve` is handled before the command line.');
  },
};

export const daemon: CommandGroup = {
  members: {
    status: {
      summary: 'whether it runs',
      declare: (command) => {
        command.addHelpText('after', '\nExamples:\n  kelpie daemon status');
      },
      run: async (cli) => {
        if (!(await isDaemonUp(cli.env, cli.home))) {
          await cli.output.result({ running: false }, 'the daemon is not running; any command starts it');
          return 0;
        }
        const health = await cli.call(routes.health);
        const text = `running for ${formatDurationMs(health.uptimeMs)}, ${health.vms} VMs, ${health.operations} operations under way`;
        await cli.output.result({ running: true, ...health }, text);
        return 0;
      },
    },
    stop: {
      summary: 'end it; VMs live on and are found again',
      declare: (command) => {
        command.addHelpText('after', '\nExamples:\n  kelpie daemon stop');
      },
      run: async (cli) => {
        const wasRunning = await stopDaemon(cli);
        const text = wasRunning ? 'the daemon has ended; VMs live on' : 'the daemon was not running';
        await cli.output.result({ running: false, wasRunning }, text);
        return 0;
      },
    },
    restart: {
      summary: 'end it and start it again, for instance after an upgrade',
      declare: (command) => {
        command.addHelpText('after', '\nExamples:\n  kelpie daemon restart');
      },
      run: async (cli) => {
        await stopDaemon(cli);
        const health = await cli.call(routes.health);
        await cli.output.result({ running: true, ...health }, 'the daemon runs again');
        return 0;
      },
    },
  },
};

/** @returns whether there was one. */
async function stopDaemon(cli: Cli): Promise<boolean> {
  if (!(await isDaemonUp(cli.env, cli.home))) return false;
  await new DaemonClient(cli.env, socketPath(cli.home)).call(routes.shutdown);
  const deadlineMs = cli.env.clock.monotonicMs() + STOP_TIMEOUT_MS;
  while (await isDaemonUp(cli.env, cli.home)) {
    if (cli.env.clock.monotonicMs() > deadlineMs) {
      throw new KelpieError(
        'timeout',
        'the daemon still finishes an operation: see `kelpie ps`, and try again.',
      );
    }
    await cli.env.clock.sleep(POLL_MS);
  }
  return true;
}
