/**
 * One simulated machine: processes, file systems, addresses, clocks. Machines of one *power domain* lose power together with its
 * volumes.
 */
import { assert, defined } from '../base/assert.ts';
import type { InPlaceCompute } from '../env/compute.ts';
import type { Env } from '../env/env.ts';
import type { ExitStatus } from '../env/processes.ts';
import type { CallWatch } from './call-watch.ts';
import type { Volume } from './disk/volume.ts';
import type { Faults } from './faults.ts';
import type { Network } from './network.ts';
import type { Prng } from './prng.ts';
import { SimProcess } from './process.ts';
import type { Scheduler } from './scheduler.ts';
import type { StandardStreams } from './env/sim-processes.ts';
import type { Tell } from './trace.ts';
import type { SimListener } from './env/sim-sockets.ts';

/** A simulated program: runs until it returns its exit code. What it throws is a bug of the simulation or of what it runs. */
export type Program = (context: {
  readonly process: SimProcess;
  readonly env: Env;
  readonly args: readonly string[];
  readonly streams: StandardStreams;
}) => Promise<number>;

const noStreams: StandardStreams = { stdin: null, stdout: null, stderr: null, file: null };

export interface MachineParts {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly random: Prng;
  readonly faults: Faults;
  readonly compute: InPlaceCompute;
  readonly calls: CallWatch;
  /** By where they are mounted; `/` must be there. */
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly programs: ReadonlyMap<string, Program>;
  readonly wallStartMs: number;
  /** Other machines that can be called; null: none. */
  readonly network: Network | null;
  /** What a program that failed without being asked to is told to: the run is over then. */
  readonly onBug: (error: unknown) => void;
  /** Told what happens; for traces. */
  readonly tell: Tell;
}

export class Machine {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly random: Prng;
  readonly faults: Faults;
  readonly compute: InPlaceCompute;
  readonly calls: CallWatch;
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly programs: ReadonlyMap<string, Program>;
  readonly listeners: Map<string, SimListener> = new Map();
  readonly onBug: (error: unknown) => void;
  readonly tell: Tell;
  readonly network: Network | null;
  /** Wall time minus true time. */
  wallOffsetMs: number;
  readonly #processes = new Map<number, SimProcess>();
  #pids = 100;
  #boots = 1;
  #cutUntilMs = 0;
  #isCutMet = false;

  constructor(parts: MachineParts) {
    assert(parts.volumes.has('/'), 'a machine has a root');
    const isShallow = [...parts.volumes.keys()].every((mount) => mount.lastIndexOf('/') === 0);
    assert(isShallow, 'nothing is mounted deeper than one directory');
    this.name = parts.name;
    this.scheduler = parts.scheduler;
    this.random = parts.random;
    this.faults = parts.faults;
    this.compute = parts.compute;
    this.calls = parts.calls;
    this.volumes = parts.volumes;
    this.programs = parts.programs;
    this.onBug = parts.onBug;
    this.tell = parts.tell;
    this.network = parts.network;
    this.wallOffsetMs = parts.wallStartMs;
  }

  /** From now on nothing gets from here to a store that is elsewhere, nor back, for so long or until faults end. */
  cutOff(durationMs: number): void {
    this.#cutUntilMs = this.scheduler.nowMs + durationMs;
    this.#isCutMet = false;
  }

  /** Somebody wants to get through. @returns how long that will take; 0: it does now. */
  meetCut(): number {
    const leftMs = this.#cutUntilMs - this.scheduler.nowMs;
    if (leftMs <= 0 || !this.faults.isOn) return 0;
    if (!this.#isCutMet) this.faults.tookEffect('network_partition');
    this.#isCutMet = true;
    return leftMs;
  }

  get processes(): readonly SimProcess[] {
    return [...this.#processes.values()];
  }

  process(pid: number): SimProcess | undefined {
    return this.#processes.get(pid);
  }

  /** A process without a program; its code is whoever calls this. */
  startProcess(args: readonly string[], label: string): SimProcess {
    this.#pids += this.random.between(1, 3);
    const identity = {
      pid: this.#pids,
      startedAt: `${this.#boots}-${Math.round(this.scheduler.nowMs * 10)}`,
    };
    const process = new SimProcess(this, identity, args, label);
    this.tell({ kind: 'process', text: 'begins', lane: label, to: null });
    process.onExit(() => this.tell({ kind: 'process', text: endText(process.exit), lane: label, to: null }));
    this.#processes.set(this.#pids, process);
    process.onExit(() => this.#processes.delete(identity.pid));
    return process;
  }

  /** Signals a process: `SIGSTOP` and `SIGCONT` stop it and let it go on, any other ends it. */
  kill(process: SimProcess, signal = 'SIGKILL'): void {
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return process.onStopped?.(signal === 'SIGSTOP');
    process.end({ signal });
  }

  /** Runs a program in a process of its own until it returns. */
  run(program: Program, process: SimProcess, env: Env, streams: StandardStreams = noStreams): void {
    const ended = (exit: ExitStatus): void => process.end(exit);
    program({ process, env, args: process.args, streams }).then(
      (code) => ended({ code }),
      (error: unknown) => {
        if (process.isAlive) this.onBug(error);
        ended({ code: 1 });
      },
    );
  }

  /** Ends every process at once. What the volumes lose is the power domain's business. */
  losePower(): void {
    for (const process of this.processes) this.kill(process);
    this.#boots += 1;
  }

  /** The volume of a path that is given by its names, and how many of them lead to it. */
  mountOf(names: readonly string[]): { readonly volume: Volume; readonly depth: number } {
    const mounted = this.volumes.get(`/${names[0] ?? ''}`);
    if (mounted !== undefined && names.length > 0) return { volume: mounted, depth: 1 };
    return { volume: defined(this.volumes.get('/'), 'the root volume'), depth: 0 };
  }
}

function endText(exit: ExitStatus | null): string {
  if (exit === null) return 'ends';
  return 'signal' in exit ? `ends by ${exit.signal}` : `ends with ${exit.code}`;
}
