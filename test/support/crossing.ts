/**
 * Two hosts of different architectures on this machine, and a running VM that goes there and back:
 *
 *     near ──teleport──▶ store ──restore──▶ far ──teleport──▶ store ──restore──▶ near
 *
 * Both are whole daemons in this process, over an `Env` of their own each; what is asked of them is asked with `bin/kelpie`.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readlink, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { serve } from '../../src/daemon/main.ts';
import type { Env } from '../../src/env/env.ts';
import type { Architecture } from '../../src/snapshot/metadata.ts';
import { createQemuBackend } from '../../src/vm/qemu/backend.ts';
import { objectOf, withHosts } from './cli-host.ts';
import type { CliHost, RunResult } from './cli-host.ts';
import { eventually } from './eventually.ts';
import { farEnv, nearEnv } from './far-host.ts';
import { farQemu } from './far-qemu.ts';
import type { FarQemu } from './far-qemu.ts';
import { Witness } from './witness.ts';

/** Guests on the far host are emulated twice, some 20 times slower than by the near one. */
const COMMAND_TIMEOUT_MS = 240_000;
const MEMORY_MIB = '256';
const HELD_MIB = '64';
const program = join(import.meta.dirname, 'traveller.py');

/** What `traveller.py` says of itself. */
interface Traveller {
  readonly pid: number;
  readonly counter: number;
  readonly file: number;
  readonly memory: number;
}

/** How long the parts of one move took; both hosts read and compare all of the memory meanwhile. */
export interface Move {
  readonly teleportMs: number;
  readonly restoreMs: number;
  /** Until the program had looked through what it holds. */
  readonly lookMs: number;
}

interface Arrived {
  readonly traveller: Traveller;
  readonly move: Move;
}

export class Crossing {
  readonly near: CliHost;
  readonly far: CliHost;
  readonly witness: Witness;
  readonly #farQemu: FarQemu;
  readonly #store: string;

  private constructor(
    hosts: { readonly near: CliHost; readonly far: CliHost },
    witness: Witness,
    qemu: FarQemu,
    store: string,
  ) {
    this.near = hosts.near;
    this.far = hosts.far;
    this.witness = witness;
    this.#farQemu = qemu;
    this.#store = store;
  }

  /** Runs `act` with both hosts, which know each other, and ends them. */
  static async with(act: (crossing: Crossing) => Promise<void>): Promise<void> {
    const env = nearEnv('near');
    const qemu = await farQemu(env);
    const daemons = new Daemons();
    try {
      await withHosts(async (make, scratch) => {
        const store = join(scratch, 'store');
        await mkdir(store);
        const images = ['x86_64', 'arm64'] as const;
        const [near, far] = [await make('near', { images }), await make('far', { images })];
        await daemons.serve(env, near);
        await daemons.serve(farEnv('far', qemu), far);
        for (const host of [near, far]) await host.must(['store', 'hosts', store, '--join']);
        await act(new Crossing({ near, far }, daemons.witness, qemu, store));
      });
    } finally {
      await daemons.end();
    }
  }

  /** A VM that goes anywhere, with the program in it that is looked at everywhere. */
  async boot(architecture: Architecture): Promise<Traveller> {
    await must(this.near, [
      ...['up', 'dev', '--arch', architecture, '--portability', 'any'],
      ...['--memory', MEMORY_MIB, '--disk', '512'],
    ]);
    await this.near.must(['cp', program, 'dev:/root/traveller.py']);
    await this.near.must(['exec', '--detach', 'dev', '--', 'python3', '-S', '/root/traveller.py', HELD_MIB]);
    await this.near.sh('dev', 'until test -p /run/traveller.ask; do sleep 0.1; done');
    return look(this.near);
  }

  /** There and back. At each stop the program is the one that left, with all that it held. */
  async round(
    left: Traveller,
  ): Promise<{ readonly there: Move; readonly back: Move; readonly traveller: Traveller }> {
    const there = await this.#move(this.near, this.far, left);
    const pid = await this.far.qemuPid('dev');
    assert.equal(await readlink(`/proc/${pid}/exe`), await realpath(this.#farQemu.emulator));
    const back = await this.#move(this.far, this.near, there.traveller);
    return { there: there.move, back: back.move, traveller: back.traveller };
  }

  async #move(from: CliHost, to: CliHost, left: Traveller): Promise<Arrived> {
    const { exact } = this.witness;
    const startMs = performance.now();
    const out = ['teleport', 'dev', '--to', this.#store, '--for', to.name, '--no-image'];
    const { stderr } = await must(from, out);
    assert.match(stderr, /it comes from a host of \w+ and goes on on one of \w+, emulated/);
    const leftMs = performance.now();
    await must(to, ['restore', 'dev', '--from', this.#store]);
    assert.equal(this.witness.exact, exact + 1, 'every page was compared');
    const restoredMs = performance.now();
    const traveller = await look(to);
    const { counter, ...held } = traveller;
    assert.deepEqual(held, { pid: left.pid, file: left.file, memory: left.memory });
    assert.ok(counter > left.counter, `it counts on: ${left.counter} → ${counter}`);
    const lookMs = performance.now() - restoredMs;
    return { traveller, move: { teleportMs: leftMs - startMs, restoreMs: restoredMs - leftMs, lookMs } };
  }
}

/** The daemons of both hosts, in this process, and what sees the memory of their VMs. */
class Daemons {
  readonly witness: Witness = new Witness();
  readonly #ending = new AbortController();
  readonly #served: Promise<void>[] = [];

  async serve(env: Env, { home }: CliHost): Promise<void> {
    const backend = createQemuBackend(env, { cacheDirectory: `${home}/cache` });
    const options = { home, backends: [this.witness.watch(backend)] };
    const served = serve(env, options, this.#ending.signal);
    this.#served.push(served);
    // Else the first command would start one in a process of its own, which nothing watches.
    await Promise.race([served, eventually(() => existsSync(`${home}/kelpied.sock`), 'the daemon serves')]);
  }

  /** Those that were asked to end have ended already. */
  async end(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#served);
  }
}

async function must(host: CliHost, args: readonly string[]): Promise<RunResult> {
  return host.must(args, { timeoutMs: COMMAND_TIMEOUT_MS });
}

/** Lets the program look through all that it holds. */
async function look(host: CliHost): Promise<Traveller> {
  const script = 'echo look > /run/traveller.ask && cat /run/traveller.answer';
  const { stdout } = await must(host, ['exec', 'dev', '--', 'sh', '-c', script]);
  const { pid, counter, file, memory } = objectOf(JSON.parse(stdout));
  return { pid: Number(pid), counter: Number(counter), file: Number(file), memory: Number(memory) };
}
