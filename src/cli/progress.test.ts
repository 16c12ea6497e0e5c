import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Progress } from './progress.ts';
import { memoryTerminal } from '../../test/support/memory-terminal.ts';
import type { Clock } from '../env/clock.ts';

function manualClock(): { readonly clock: Clock; readonly advance: (ms: number) => void } {
  let nowMs = 0;
  const clock: Clock = {
    wallMs: () => nowMs,
    wallNs: () => BigInt(nowMs) * 1_000_000n,
    monotonicMs: () => nowMs,
    sleep: async () => Promise.resolve(),
  };
  return {
    clock,
    advance: (ms) => {
      nowMs += ms;
    },
  };
}

const step = (doneBytes: number): { phase: string; item: string; doneBytes: number; totalBytes: number } => ({
  phase: 'publish',
  item: 'memory',
  doneBytes,
  totalBytes: 1000,
});

await test('without a terminal it is plain lines, one per two seconds and one at the end', async () => {
  const { terminal, errors } = memoryTerminal();
  const { clock, advance } = manualClock();
  const progress = new Progress(terminal, clock, { isJson: false });
  for (let done = 0; done <= 1000; done += 100) {
    await progress.show(step(done));
    advance(500);
  }
  const lines = errors().trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => /(\d+) %/.exec(line)?.[1]),
    ['0', '40', '80', '100'],
  );
  assert.ok(!errors().includes('\r'));
});

await test('on a terminal it draws over itself, and leaves nothing', async () => {
  const { terminal, errors } = memoryTerminal({ isTty: true });
  const progress = new Progress(terminal, manualClock().clock, { isJson: false });
  await progress.show(step(500));
  await progress.finish();
  assert.match(errors(), /\r.*50 %.*500 B of 1000 B/u);
  assert.ok(errors().endsWith('\r\u001B[2K'));
});

await test('with --json and no terminal it is silent', async () => {
  const { terminal, errors } = memoryTerminal();
  await new Progress(terminal, manualClock().clock, { isJson: true }).show(step(500));
  assert.equal(errors(), '');
});
