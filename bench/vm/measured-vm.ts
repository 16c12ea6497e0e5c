/** A VM of ours that works, and what is measured of it, through the command line as people use it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { numberAt, record } from '../../scripts/demo/kelpie.ts';
import type { DemoHost } from '../../scripts/demo/kelpie.ts';
import type { Ticks } from './ticks.ts';

/** How long a VM works between a restore and the snapshot that is measured. */
export const WORK_MS = 700;

const MB = 1_000_000;

export type Timings = Readonly<Record<string, number>>;

/** From the start of the `restore` command to the end of the first `exec`. */
export interface Restored {
  readonly totalMs: number;
  readonly restoreCommandMs: number;
  readonly execCommandMs: number;
  /** The daemon's phases. */
  readonly phases: Timings;
}

export interface Snapshotted {
  readonly phases: Timings;
  readonly dirtyMb: number;
  /** The longest silence of the guest's program around the snapshot. */
  readonly gapMs: number;
}

/** A command that works in the guest as `work.py` says. */
export function workCommand(name: string, port: number): readonly string[] {
  const source = readFileSync(join(import.meta.dirname, 'work.py'), 'utf8');
  return ['python3', '-c', source, name, String(port)];
}

export class MeasuredVm {
  readonly name: string;
  readonly #ticks: Ticks;

  constructor(name: string, ticks: Ticks) {
    this.name = name;
    this.#ticks = ticks;
  }

  async boot(host: DemoHost, memoryMib: number): Promise<void> {
    await host.must(['up', this.name, '--memory', String(memoryMib)]);
    await host.must(['exec', '--detach', this.name, '--', ...workCommand(this.name, this.#ticks.port)]);
    this.#ticks.begin(this.name);
    await this.#ticks.worked(this.name, WORK_MS);
  }

  /** Boots it, and leaves a snapshot of it at work. */
  async bootAndKeep(host: DemoHost, memoryMib: number): Promise<void> {
    await this.boot(host, memoryMib);
    await this.snapshot(host);
    await this.kill(host);
  }

  /** `options`: `--from STORE`, or nothing for the last snapshot of this host. */
  async restore(host: DemoHost, options: readonly string[] = []): Promise<Restored> {
    const startedMs = performance.now();
    const { stdout, wallMs } = await host.must(['restore', this.name, ...options, '--json']);
    const exec = await host.must(['exec', this.name, '--', 'true']);
    const totalMs = performance.now() - startedMs;
    const answer = record(JSON.parse(stdout), 'the answer of restore');
    return {
      totalMs,
      restoreCommandMs: wallMs,
      execCommandMs: exec.wallMs,
      phases: timingsOf(answer),
    };
  }

  /** Lets the VM work, and snapshots it while it does. */
  async snapshot(host: DemoHost): Promise<Snapshotted> {
    this.#ticks.begin(this.name);
    await this.#ticks.worked(this.name, WORK_MS);
    this.#ticks.begin(this.name);
    await this.#ticks.worked(this.name, 0);
    const answer = await host.json(['snapshot', this.name]);
    await this.#ticks.worked(this.name, 0);
    const gapMs = this.#ticks.longestGapMs(this.name);
    const dirtyBytes = numberAt(record(answer['snapshot'], 'the snapshot'), 'dirtyBytes');
    return { phases: timingsOf(answer), dirtyMb: dirtyBytes / MB, gapMs };
  }

  /** Ends it as a crash would; what it did since its last snapshot is lost. */
  async kill(host: DemoHost): Promise<void> {
    await host.must(['stop', '--force', this.name]);
  }
}

function timingsOf(answer: Readonly<Record<string, unknown>>): Timings {
  const timings = record(answer['timings'], 'the timings');
  return Object.fromEntries(Object.keys(timings).map((name) => [name, numberAt(timings, name)]));
}

/** The sum of all phases. */
export function sumOf(phases: Timings): number {
  return Object.values(phases).reduce((sum, ms) => sum + ms, 0);
}
