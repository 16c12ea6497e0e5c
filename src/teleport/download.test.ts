import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createInPlaceCompute } from '../env/node/compute.ts';
import { createNodeEnv } from '../env/node/env.ts';
import { createSettle } from '../env/node/settle.ts';
import { CallWatch } from '../sim/call-watch.ts';
import { GIB, HOUR_MS } from '../base/units.ts';
import { Volume } from '../sim/disk/volume.ts';
import { createSimEnv } from '../sim/env/sim-env.ts';
import { Faults } from '../sim/faults.ts';
import { Machine } from '../sim/machine.ts';
import { Prng } from '../sim/prng.ts';
import { Scheduler } from '../sim/scheduler.ts';
import { createStrategy } from '../sim/strategies.ts';
import { Download } from './download.ts';
import { sweepDownloads } from './sweep-downloads.ts';
import type { Env } from '../env/env.ts';

/** Frames of these tests are of one page each, at their own place. */
const FRAME_BYTES = 4096;
const FRAMES = 20;
const SIZE_BYTES: number = FRAMES * FRAME_BYTES;

const frameBytes = (frame: number): Uint8Array => new Uint8Array(FRAME_BYTES).fill(frame + 1);

/** As a reader of a store does it: pages, sync, journal. @returns the frames that had to be fetched. */
async function fetchRest(download: Download, frames: number = FRAMES): Promise<readonly number[]> {
  const { file, journal } = await download.open('memory', SIZE_BYTES, FRAMES);
  const fetched: number[] = [];
  let unsynced: number[] = [];
  const commit = async (): Promise<void> => {
    await file.sync();
    await journal.done(unsynced);
    unsynced = [];
  };
  try {
    for (let frame = 0; frame < frames; frame += 1) {
      if (journal.isDone(frame)) continue;
      await file.write(frameBytes(frame), frame * FRAME_BYTES);
      fetched.push(frame);
      unsynced.push(frame);
      if (unsynced.length === 3) await commit();
    }
    await commit();
  } finally {
    await file.close();
  }
  return fetched;
}

async function withDirectory(act: (directory: string, env: Env) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-download-'));
  try {
    await act(directory, createNodeEnv());
  } finally {
    await rm(directory, { recursive: true });
  }
}

function range(start: number, end: number): readonly number[] {
  return Array.from({ length: end - start }, (_, index) => start + index);
}

test('a download goes on where it stopped, and is there under another name when it is whole', async () => {
  await withDirectory(async (root, env) => {
    const directory = `${root}/downloads/some-package`;
    assert.deepEqual(await fetchRest(new Download(env, directory), 7), range(0, 7));
    const download = new Download(env, directory);
    assert.deepEqual(await fetchRest(download), range(7, FRAMES));
    await download.finish('memory', `${root}/whole`);
    // A restore that fails after its download need not download again.
    assert.deepEqual(await fetchRest(download), []);
    await download.finish('memory', `${root}/again`);
    await download.forget();
    const bytes = await readFile(`${root}/whole`);
    assert.deepEqual(
      range(0, FRAMES).map((frame) => bytes[frame * FRAME_BYTES]),
      range(1, FRAMES + 1),
    );
    assert.deepEqual(await readFile(`${root}/again`), bytes);
    assert.deepEqual(await readdir(`${root}/downloads`), []);
  });
});

test('a part is begun again when its journal is damaged, missing or of another map, or the part is', async () => {
  await withDirectory(async (root, env) => {
    const directory = `${root}/downloads/some-package`;
    const download = new Download(env, directory);
    const beginsAgain = async (spoil: () => Promise<void>): Promise<void> => {
      await fetchRest(download);
      await spoil();
      assert.deepEqual(await fetchRest(download), range(0, FRAMES));
    };
    const journal = `${directory}/memory.done`;
    const whole = async (): Promise<Uint8Array> => {
      await fetchRest(download);
      return new Uint8Array(await readFile(journal));
    };
    for (const index of (await whole()).keys()) {
      await beginsAgain(async () => {
        const bytes = new Uint8Array(await readFile(journal));
        bytes[index] = (bytes[index] ?? 0) ^ 1;
        await writeFile(journal, bytes);
      });
    }
    await beginsAgain(async () => await writeFile(journal, (await readFile(journal)).subarray(0, -1)));
    await beginsAgain(async () => await writeFile(journal, new Uint8Array(2 ** 20)));
    await beginsAgain(async () => await rm(journal));
    await beginsAgain(async () => await rm(`${directory}/memory.part`));
    await beginsAgain(async () => await writeFile(`${directory}/memory.part`, 'short'));
    const { file, journal: other } = await download.open('memory', SIZE_BYTES, FRAMES + 1);
    await file.close();
    assert.equal(other.isDone(0), false);
  });
});

test('what has another name is never cut short by a download that begins again', async () => {
  await withDirectory(async (root, env) => {
    const download = new Download(env, `${root}/downloads/some-package`);
    await fetchRest(download);
    await download.finish('memory', `${root}/in-use`);
    await rm(`${root}/downloads/some-package/memory.done`);
    assert.equal((await fetchRest(download)).length, FRAMES);
    assert.deepEqual((await readFile(`${root}/in-use`)).subarray(0, FRAME_BYTES), Buffer.from(frameBytes(0)));
    assert.notEqual(
      (await stat(`${root}/in-use`)).ino,
      (await stat(`${root}/downloads/some-package/memory.part`)).ino,
    );
  });
});

test('downloads that nobody goes on with are swept: those of yesterday, and all but the newest', async () => {
  await withDirectory(async (root, env) => {
    const directory = `${root}/downloads`;
    assert.equal(await sweepDownloads(env, directory), 0);
    const nowMs = env.clock.wallMs();
    for (const [index, ageMs] of [0, 1, 2, 3, 4, 25].map((hours) => hours * HOUR_MS).entries()) {
      await fetchRest(new Download(env, `${directory}/${index}`), 1);
      await utimes(`${directory}/${index}`, (nowMs - ageMs) / 1000, (nowMs - ageMs) / 1000);
    }
    assert.equal(await sweepDownloads(env, directory), 2);
    assert.deepEqual((await readdir(directory)).toSorted(), ['0', '1', '2', '3']);
  });
});

test('after a loss of power at any moment the journal names no frame that is not there', async () => {
  let goneOn = 0;
  for (let seed = 1; seed <= 300; seed += 1) goneOn += await losePowerOnce(seed);
  assert.ok(goneOn > 50, `only ${goneOn} downloads went on, so nothing was looked at`);
});

/** @returns 1 when the second download found some frames. */
async function losePowerOnce(seed: number): Promise<number> {
  const random = Prng.fromSeed(seed);
  const scheduler = new Scheduler(createStrategy('random', random.split('strategy')), createSettle());
  const volume = new Volume('disk', GIB);
  const machine = new Machine({
    name: 'host',
    scheduler,
    random: random.split('machine'),
    faults: new Faults(seed, {}, null),
    compute: createInPlaceCompute(),
    calls: new CallWatch(null),
    tell: () => undefined,
    volumes: new Map([['/', volume]]),
    programs: new Map(),
    wallStartMs: 1_700_000_000_000,
    network: null,
    onBug: (error) => {
      throw error;
    },
  });
  const download = (): Download =>
    new Download(createSimEnv(machine.startProcess(['test'], 'test')), '/home/downloads/some-package');
  /** Steps until `act` is done, or at most `steps`: null then. */
  const run = async <T>(act: Promise<T>, steps: number): Promise<T | null> => {
    let isEnded = false;
    const end = (): void => void (isEnded = true);
    act.then(end, end);
    const last = scheduler.steps + steps;
    await scheduler.run(() => !isEnded && scheduler.steps < last);
    return isEnded ? await act : null;
  };
  for (let lives = random.between(1, 2); lives > 0; lives -= 1) {
    await run(fetchRest(download()), random.between(1, 120));
    machine.losePower();
    volume.losePower(random, true);
  }
  const rest = await run(fetchRest(download()), 10_000);
  assert.ok(rest !== null, 'the download comes to its end');
  const reader = createSimEnv(machine.startProcess(['test'], 'test'));
  const bytes = await run(reader.files.readFile('/home/downloads/some-package/memory.part', SIZE_BYTES), 100);
  assert.deepEqual(
    range(0, FRAMES).map((frame) => bytes?.[frame * FRAME_BYTES]),
    range(1, FRAMES + 1),
    `seed ${seed}`,
  );
  return rest.length < FRAMES ? 1 : 0;
}
