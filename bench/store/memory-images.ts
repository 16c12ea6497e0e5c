/** Two memory images of one VM that does real work (`guest-work.py`), half a minute apart. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { record } from '../../scripts/demo/kelpie.ts';
import type { DemoHost } from '../../scripts/demo/kelpie.ts';
import type { Env } from '../../src/env/env.ts';
import { pageFilePath } from '../../src/snapshot/local-snapshot.ts';
import { materializeMemory } from '../../src/snapshot/materialize.ts';
import { PageMap } from '../../src/snapshot/page-map.ts';

const MEMORY_MIB = 512;
/** What the figures ask for: the second publish comes this long after the first. */
const BETWEEN_MS = 30_000;
const READY_TIMEOUT_MS = 300_000;
const POLL_MS = 500;
const VM = 'worker';

/** Paths of whole memories, zeros as holes. */
export interface MemoryImages {
  readonly a: string;
  readonly b: string;
}

/** Boots the VM on a host of the benchmark and leaves the images in `directory`. */
export async function makeMemoryImages(env: Env, host: DemoHost, directory: string): Promise<MemoryImages> {
  const source = readFileSync(join(import.meta.dirname, 'guest-work.py'), 'utf8');
  await host.must(['up', VM, '--memory', String(MEMORY_MIB)]);
  await host.must([
    'exec',
    '--detach',
    VM,
    '--',
    'sh',
    '-c',
    'exec python3 -c "$0" > /run/work.log 2>&1',
    source,
  ]);
  await untilReady(host);
  const a = await layOut(env, host, join(directory, 'a.memory'));
  await sleep(BETWEEN_MS);
  const b = await layOut(env, host, join(directory, 'b.memory'));
  await host.must(['rm', '--force', VM]);
  return { a, b };
}

async function untilReady(host: DemoHost): Promise<void> {
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const { stdout } = await host.must(['exec', VM, '--', 'cat', '/run/work.log']);
    if (stdout.trim() === 'ready') return;
    if (stdout !== '' || performance.now() > deadlineMs)
      throw new Error(`the work in the VM did not begin: ${stdout}`);
    await sleep(POLL_MS);
  }
}

/** Snapshots the VM and lays its memory out in one file. */
async function layOut(env: Env, host: DemoHost, path: string): Promise<string> {
  const { snapshot } = await host.json(['snapshot', VM]);
  const { id, vmId } = record(snapshot, 'the snapshot');
  const mapPath = join(host.home, 'vms', String(vmId), 'snapshots', String(id), 'memory.map');
  const map = PageMap.decode(readFileSync(mapPath), env.compute);
  await materializeMemory(env, map, (file) => pageFilePath(join(host.home, 'blobs'), file), path);
  return path;
}
