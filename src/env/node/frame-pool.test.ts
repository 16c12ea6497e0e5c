import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { promisify } from 'node:util';
import { asError } from '../../base/errors.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { FRAME_CALLS_MAX } from '../compute.ts';
import { isSystemError } from '../system-error.ts';
import { FramePool } from './frame-pool.ts';

const run = promisify(execFile);

function page(first: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(PAGE_BYTES).fill(first);
}

/** A thread that answers with what it got, but for pages whose first byte asks for something else. */
function program(acts: Readonly<Record<number, string>>): URL {
  const source = `
    import { parentPort } from 'node:worker_threads';
    const acts = {${Object.entries(acts)
      .map(([first, act]) => `${first}: () => { ${act} }`)
      .join(',')}};
    parentPort.on('message', ({ id, task: { raw } }) => {
      acts[raw[0]]?.();
      const packed = { bytes: raw, codec: 'stored', sha256: '' };
      parentPort.postMessage({ id, result: { kind: 'packed', packed, used: null } });
    });`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

function poolOf(acts: Readonly<Record<number, string>>, threadsMax = 1): FramePool {
  return new FramePool({ threadsMax, threadJobsMax: 2, program: program(acts) });
}

const deaths: Readonly<Record<string, readonly [act: string, message: RegExp]>> = {
  throws: ['throw new Error("planted")', /^planted$/],
  exits: ['process.exit(3)', /^a frame worker ended with exit code 3$/],
};

for (const [what, [act, message]] of Object.entries(deaths)) {
  test(`a thread that ${what} fails its calls, and those that wait get another`, async () => {
    const pool = poolOf({ 1: act });
    assert.equal((await pool.pack(page(0), null)).bytes[0], 0);
    const calls = [1, 2, 3, 4, 5].map((first) => pool.pack(page(first), null));
    const outcomes = await Promise.allSettled(calls);
    const [dead, beside, ...waited] = outcomes;
    for (const outcome of [dead, beside]) {
      assert.equal(outcome?.status, 'rejected');
      assert.match(asError(outcome.reason).message, message);
    }
    assert.deepEqual(
      waited.map((outcome) => outcome.status === 'fulfilled' && outcome.value.bytes[0]),
      [3, 4, 5],
    );
    assert.equal(pool.size, 1);
  });
}

test('a thread that runs out of memory is told as such', async () => {
  const pool = poolOf({ 1: 'const kept = []; for (;;) kept.push({ kept });' });
  await assert.rejects(pool.pack(page(1), null), (error) => isSystemError(error, 'ENOMEM'));
  assert.equal((await pool.pack(page(2), null)).bytes[0], 2);
});

test('a thread that cannot start fails one call at a time, and is not started for ever', async () => {
  const broken = new URL('data:text/javascript,import "node:no-such-module"');
  const pool = new FramePool({ threadsMax: 2, threadJobsMax: 2, program: broken });
  const calls = [1, 2, 3, 4, 5, 6].map((first) => pool.pack(page(first), null));
  for (const { status } of await Promise.allSettled(calls)) assert.equal(status, 'rejected');
  assert.equal(pool.size, 0);
});

test('what a thread refuses is thrown, and the thread goes on', async () => {
  const pool = new FramePool({ threadsMax: 1, threadJobsMax: 2 });
  const refused = pool.pack(new Uint8Array(0), null);
  const after = pool.pack(page(7), null);
  await assert.rejects(refused, /a frame has a bounded size/);
  assert.equal((await after).codec, 'zstd');
});

test('no more threads than allowed are started, and idle ones end', async () => {
  const pool = new FramePool({ threadsMax: 2, threadJobsMax: 2, idleMs: 20 });
  const calls = [1, 2, 3, 4, 5, 6, 7, 8].map((first) => pool.pack(page(first), null));
  assert.equal(pool.size, 2);
  await Promise.all(calls);
  await eventually(() => pool.size === 0, 'no thread is left');
  assert.equal((await pool.pack(page(1), null)).codec, 'zstd');
});

test('threads that were prepared are there, wait for their frames, and end', async () => {
  const pool = new FramePool({ threadsMax: 2, threadJobsMax: 2, idleMs: 20 });
  pool.prepare();
  pool.prepare();
  assert.equal(pool.size, 2);
  await eventually(() => pool.size === 0, 'no thread is left');
  pool.prepare();
  const packing = pool.pack(page(1), null);
  assert.equal(pool.size, 2);
  assert.equal((await packing).codec, 'zstd');
});

test('threads that cannot start fail no preparation', async () => {
  const broken = new URL('data:text/javascript,import "node:no-such-module"');
  const pool = new FramePool({ threadsMax: 2, threadJobsMax: 2, program: broken });
  pool.prepare();
  await eventually(() => pool.size === 0, 'no thread is left');
  await assert.rejects(pool.pack(page(1), null), /no-such-module/);
});

test('calls that nobody waits for are bounded', async () => {
  const pool = poolOf({});
  const calls = Array.from({ length: FRAME_CALLS_MAX + 2 }, () => pool.pack(page(0), null));
  await assert.rejects(pool.pack(page(0), null), /assertion failed/);
  assert.equal((await Promise.all(calls)).length, calls.length);
});

test('a process waits for its frames, and ends when it has none', async () => {
  const script = `
    import { createNodeCompute } from ${JSON.stringify(new URL('./compute.ts', import.meta.url).href)};
    createNodeCompute().packFrame(new Uint8Array(4096), null).then(({ codec }) => console.log(codec));`;
  const args = ['--input-type=module', '--eval', script];
  const { stdout } = await run(process.execPath, args, { timeout: 20_000 });
  assert.equal(stdout, 'zstd\n');
});
