/** One of the two hosts: its commands, what runs for it, and what can be done to it. */
import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { DaemonClient } from '../../src/cli/daemon-client.ts';
import { isDaemonUp, socketPath } from '../../src/cli/daemon-launch.ts';
import { createNodeEnv } from '../../src/env/node/env.ts';
import type { CallOptions } from '../../src/cli/daemon-client.ts';
import type { Route } from '../../src/daemon/api/routes.ts';
import { eventually } from '../support/eventually.ts';
import { isGone, isQemu, killAll, processesOf } from '../support/host-processes.ts';
import type { CliHost } from '../support/cli-host.ts';
import type { HostProcess } from '../support/host-processes.ts';
import type { SmallDisk } from './small-disk.ts';
import type { Cut, StoreNetwork } from './store-network.ts';

const HELD_POLL_MS = 20;
/** Until a daemon that was killed has settled what it must before it answers. */
const ANSWER_MS_MAX = 300_000;
const env = createNodeEnv();

export interface HostRuns {
  readonly daemons: readonly HostProcess[];
  readonly machines: readonly HostProcess[];
  readonly others: readonly HostProcess[];
}

export class SoakHost {
  readonly cli: CliHost;
  readonly #disk: SmallDisk | null;
  readonly #network: StoreNetwork | null;

  constructor(cli: CliHost, disk: SmallDisk | null, network: StoreNetwork | null) {
    this.cli = cli;
    this.#disk = disk;
    this.#network = network;
  }

  get name(): string {
    return this.cli.name;
  }

  /** What a command asks, without the price of a process for each question. A daemon that was killed is started by a command. */
  async ask<Result, Body, Query>(
    route: Route<Result, Body, Query>,
    options: CallOptions<Body> = {},
  ): Promise<Result> {
    const { home } = this.cli;
    if (!(await isDaemonUp(env, home))) await this.cli.must(['ps'], { timeoutMs: ANSWER_MS_MAX });
    return new DaemonClient(env, socketPath(home)).call(route, options);
  }

  async runs(): Promise<HostRuns> {
    const all = await processesOf(this.cli.home);
    const isDaemon = (one: HostProcess): boolean => !isQemu(one) && one.args.includes('serve');
    return {
      daemons: all.filter(isDaemon),
      machines: all.filter(isQemu),
      others: all.filter((one) => !isQemu(one) && !isDaemon(one)),
    };
  }

  /** @returns whether there was one. */
  async killDaemon(): Promise<boolean> {
    return kill((await this.runs()).daemons);
  }

  /** @returns whether there was one. */
  async killMachine(): Promise<boolean> {
    return kill((await this.runs()).machines);
  }

  /** Cut from the store for so long. @returns false on a machine without namespaces. */
  async cutFor(how: Cut, lastsMs: number): Promise<boolean> {
    if (this.#network === null) return false;
    await this.#network.cut(this.name, how);
    try {
      await delay(lastsMs);
    } finally {
      await this.#network.mend(this.name);
    }
    return true;
  }

  /** Its disk has at most so much left, for so long, whatever is removed meanwhile. @returns false without a small disk. */
  async fillFor(freeBytes: number, lastsMs: number): Promise<boolean> {
    if (this.#disk === null) return false;
    const endMs = performance.now() + lastsMs;
    try {
      while (performance.now() < endMs) {
        await this.#disk.fill(freeBytes);
        await delay(HELD_POLL_MS);
      }
    } finally {
      await this.#disk.empty();
    }
    return true;
  }
}

/** @returns whether there was one. What was killed has ended then: its sockets are closed a moment after its command line is gone. */
async function kill(processes: readonly HostProcess[]): Promise<boolean> {
  const killed = killAll(processes);
  for (const { pid } of processes) await eventually(async () => hasEnded(pid), `${pid} has ended`);
  return killed;
}

/** All of its threads: the last one closes its files. */
async function hasEnded(pid: number): Promise<boolean> {
  try {
    const threads = await readdir(`/proc/${pid}/task`);
    const ended = await Promise.all(
      threads.map(async (thread) => await isOver(`/proc/${pid}/task/${thread}/stat`)),
    );
    return ended.every(Boolean);
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
}

async function isOver(statPath: string): Promise<boolean> {
  try {
    const stat = await readFile(statPath, 'latin1');
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
}
