/**
 * QEMU's own way on the same machine: `migrate` of everything to a file, and `-incoming` from it.
 *
 *   running ──stop, migrate, cont──▶ running ──migrate (live)──▶ ended ──-incoming, cont──▶ running
 *
 * The command line is ours but for two things that only our way needs: RAM is QEMU's own instead of a mapped file, and there
 * is no sandbox, which would forbid `exec:`.
 */
import { copyFileSync, constants, rmSync, statSync, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { MIB } from '../../src/base/units.ts';
import type { Env } from '../../src/env/env.ts';
import { connectGuestAgent } from '../../src/guest/connect-guest-agent.ts';
import type { GuestAgent } from '../../src/guest/guest-agent.ts';
import type { VmConfig } from '../../src/snapshot/metadata.ts';
import type { VmPlaces } from '../../src/vm/instance.ts';
import { discoverAbilities } from '../../src/vm/qemu/abilities.ts';
import { qemuArguments } from '../../src/vm/qemu/command-line.ts';
import { launchQemu } from '../../src/vm/qemu/launch.ts';
import type { QemuProcess } from '../../src/vm/qemu/launch.ts';
import { chooseMachine } from '../../src/vm/qemu/machine.ts';
import type { QmpClient } from '../../src/vm/qemu/qmp-client.ts';
import { continueCpus, queryRunState, quit, stopCpus } from '../../src/vm/qemu/qmp-commands.ts';
import { runFiles } from '../../src/vm/qemu/run-files.ts';
import { workCommand } from './measured-vm.ts';
import type { Ticks } from './ticks.ts';

/** QEMU holds a migration back to 128 MiB/s unless told otherwise. */
const BANDWIDTH_BYTES_PER_S = 1e15;
const BOOT_TIMEOUT_MS = 120_000;

export interface LiveMigration {
  /** As QEMU reports it. */
  readonly downtimeMs: number;
  readonly totalMs: number;
}

const migrationSchema = z.object({
  status: z.string().optional(),
  downtime: z.number().optional(),
});

export class ReferenceVm {
  readonly #env: Env;
  readonly #config: VmConfig;
  readonly #places: VmPlaces;
  #process: QemuProcess | null = null;
  #agent: GuestAgent | null = null;

  constructor(env: Env, config: VmConfig, places: VmPlaces) {
    this.#env = env;
    this.#config = config;
    this.#places = places;
  }

  async boot(ticks: Ticks): Promise<void> {
    copyFileSync(this.#places.image.dataTemplate, this.#diskPath, constants.COPYFILE_FICLONE);
    truncateSync(this.#diskPath, this.#config.diskMib * MIB);
    const { qmp } = await this.#launch('boot');
    await continueCpus(qmp);
    const agent = await this.#connect();
    await agent.startDetached({ argv: workCommand(this.#config.name, ticks.port) });
  }

  /** How long the VM stands still while everything of it is written to a file. */
  async stopAndSave(): Promise<{ readonly pauseMs: number; readonly savedMb: number }> {
    const { qmp } = this.#running;
    await allowAll(qmp);
    const startedMs = performance.now();
    await stopCpus(qmp);
    await save(qmp, this.#statePath);
    await continueCpus(qmp);
    const pauseMs = performance.now() - startedMs;
    const savedMb = statSync(this.#statePath).size / 1e6;
    rmSync(this.#statePath);
    return { pauseMs, savedMb };
  }

  /** Saves while the VM runs, until little enough is left for a short pause; it ends there. */
  async saveLive(): Promise<LiveMigration> {
    const { qmp } = this.#running;
    await allowAll(qmp);
    const startedMs = performance.now();
    await save(qmp, this.#statePath);
    const totalMs = performance.now() - startedMs;
    const { downtime } = await qmp.execute('query-migrate', null, migrationSchema);
    if (downtime === undefined) throw new Error('QEMU does not tell the downtime of a migration');
    this.#agent?.close();
    await quit(qmp);
    await this.#running.ended;
    this.#process = null;
    return { downtimeMs: downtime, totalMs };
  }

  /** From the start of the program to the first answer of the guest's agent. */
  async load(): Promise<number> {
    const startedMs = performance.now();
    const { qmp } = await this.#launch('load');
    await allowAll(qmp);
    const finished = settled(qmp);
    await qmp.execute('migrate-incoming', { uri: `exec:cat ${this.#statePath}` }, z.unknown());
    await finished;
    await continueCpus(qmp);
    await (await this.#connect()).health();
    const restoreMs = performance.now() - startedMs;
    rmSync(this.#statePath);
    return restoreMs;
  }

  async close(): Promise<void> {
    this.#agent?.close();
    await this.#process?.end();
    this.#process = null;
  }

  get #running(): QemuProcess {
    if (this.#process === null) throw new Error('the reference VM does not run');
    return this.#process;
  }

  get #diskPath(): string {
    return `${this.#places.runDirectory}/disk.raw`;
  }

  get #statePath(): string {
    return `${this.#places.runDirectory}/state`;
  }

  async #launch(mode: 'boot' | 'load'): Promise<QemuProcess> {
    const { architecture, memoryMib } = this.#config;
    const files = runFiles(this.#places.runDirectory);
    for (const path of [files.control, files.agent]) rmSync(path, { force: true });
    const { abilities } = await discoverAbilities(this.#env, architecture, this.#places.runDirectory);
    const args = qemuArguments({
      machine: chooseMachine(this.#config, abilities),
      config: this.#config,
      places: this.#places,
      memoryPath: 'unused',
      disk: [{ node: 'disk', path: this.#diskPath, format: 'raw' }],
      mode,
      hasSandbox: false,
    });
    const ownRam = args.map((arg) =>
      arg.startsWith('memory-backend-file,') ? `memory-backend-ram,id=ram,size=${memoryMib}M` : arg,
    );
    this.#process = await launchQemu(this.#env, { program: abilities.program, args: ownRam, files });
    return this.#process;
  }

  async #connect(): Promise<GuestAgent> {
    const { agent: path } = runFiles(this.#places.runDirectory);
    this.#agent = await connectGuestAgent(
      this.#env,
      (signal) => this.#env.sockets.connect({ kind: 'unix', path }, signal),
      { timeoutMs: BOOT_TIMEOUT_MS },
    );
    return this.#agent;
  }
}

async function allowAll(qmp: QmpClient): Promise<void> {
  await qmp.execute('migrate-set-parameters', { 'max-bandwidth': BANDWIDTH_BYTES_PER_S }, z.unknown());
  const capabilities = [{ capability: 'events', state: true }];
  await qmp.execute('migrate-set-capabilities', { capabilities }, z.unknown());
}

async function save(qmp: QmpClient, path: string): Promise<void> {
  const finished = settled(qmp);
  await qmp.execute('migrate', { uri: `exec:cat > ${path}` }, z.unknown());
  await finished;
  // The event comes a moment before the VM may be continued.
  while ((await queryRunState(qmp)) === 'finish-migrate') await sleep(1);
}

/** The end of the migration that begins next. */
function settled(qmp: QmpClient): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopListening = qmp.onEvent(({ name, data }) => {
      const status = data['status'];
      if (name !== 'MIGRATION' || (status !== 'completed' && status !== 'failed')) return;
      stopListening();
      if (status === 'completed') resolve();
      else reject(new Error('QEMU’s own migration failed'));
    });
  });
}
