import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { createNodeEnv } from './env.ts';
import type { Child } from '../processes.ts';

const RACERS = 3;
const KILLS = 8;
const env = createNodeEnv();
const racerPath = fileURLToPath(new URL('../../../test/support/lock-racer.ts', import.meta.url));

interface Line {
  readonly act: string;
  readonly pid: number;
}

async function readLog(directory: string): Promise<readonly Line[]> {
  const lines = (await readFile(join(directory, 'log'), 'utf8')).trim().split('\n');
  return lines.map((line) => ({ act: line.split(' ')[0] ?? '', pid: Number(line.split(' ')[1]) }));
}

/** Somebody who enters while another is inside has proof that the other is dead: that one never writes again. */
function checkExclusion(lines: readonly Line[], killed: ReadonlySet<number>): void {
  const dead = new Set<number>();
  let inside: number | null = null;
  for (const { act, pid } of lines) {
    assert.ok(!dead.has(pid), `${pid} held the lock at the same time as another`);
    if (act === 'enter' && inside !== null) {
      assert.ok(killed.has(inside), `the lock of ${inside} was taken from it while it lived`);
      dead.add(inside);
    }
    if (act === 'leave') assert.equal(inside, pid);
    inside = act === 'enter' ? pid : null;
  }
}

/** Waits until the log has grown by `count` entries by others than `pid`. */
async function othersEnter(directory: string, from: number, pid: number, count: number): Promise<void> {
  for (;;) {
    const entered = (await readLog(directory)).slice(from);
    if (entered.filter((line) => line.act === 'enter' && line.pid !== pid).length >= count) return;
    await env.clock.sleep(2);
  }
}

test(
  'processes that are killed with the lock never keep it, and none shares it',
  { timeout: 60_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'kelpie-'));
    const racers = new Map<number, Child>();
    const killed = new Set<number>();
    const startRacer = async (): Promise<void> => {
      const output = { path: join(directory, 'racer.log') };
      const child = await env.processes.spawn({
        command: process.execPath,
        args: [racerPath, directory],
        output,
      });
      racers.set(child.identity.pid, child);
    };
    await env.files.open(join(directory, 'log'), 'wx').then(async (file) => file.close());
    for (let started = 0; started < RACERS; started += 1) await startRacer();
    try {
      await othersEnter(directory, 0, 0, RACERS);
      while (killed.size < KILLS) {
        const last = (await readLog(directory)).at(-1);
        const holder = last?.act === 'enter' ? racers.get(last.pid) : undefined;
        if (holder === undefined) continue;
        const from = (await readLog(directory)).length;
        holder.kill('SIGKILL');
        killed.add(holder.identity.pid);
        racers.delete(holder.identity.pid);
        await holder.wait();
        await startRacer();
        await othersEnter(directory, from, holder.identity.pid, 3);
      }
    } finally {
      for (const racer of racers.values()) racer.kill('SIGKILL');
      await Promise.all([...racers.values()].map(async (racer) => racer.wait()));
    }
    const lines = await readLog(directory);
    checkExclusion(lines, killed);
    assert.equal(await readFile(join(directory, 'racer.log'), 'utf8'), '');
    // The kernel freed the last one too.
    assert.notEqual(await env.files.tryLock(join(directory, 'lock')), null);
    await rm(directory, { recursive: true });
  },
);
