import assert from 'node:assert/strict';
import test from 'node:test';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { memoryConnectionPair } from '../../test/support/memory-connection.ts';
import { TrafficGate } from './traffic-gate.ts';

test('while the gate is closed nothing gets through; afterwards everything does, in order', async () => {
  const [near, far] = memoryConnectionPair();
  const gate = new TrafficGate(new ManualClock());
  const guarded = gate.guard(near);
  await guarded.write(utf8('a'));
  assert.equal(fromUtf8((await far.read()) ?? utf8('')), 'a');
  gate.close();
  let isWritten = false;
  const writing = guarded.write(utf8('b')).then(() => {
    isWritten = true;
  });
  await new Promise(setImmediate);
  assert.equal(isWritten, false);
  gate.open();
  await writing;
  assert.equal(fromUtf8((await far.read()) ?? utf8('')), 'b');
});

test('what was written lately may be under way, up to what a socket holds', async () => {
  const clock = new ManualClock();
  const [near, far] = memoryConnectionPair();
  const gate = new TrafficGate(clock);
  const guarded = gate.guard(near);
  assert.equal(gate.pendingBytesMax(), 0);
  await guarded.write(new Uint8Array(1000));
  assert.equal(gate.pendingBytesMax(), 1000);
  await far.read();
  await clock.advance(1001);
  assert.equal(gate.pendingBytesMax(), 0);
  for (let round = 0; round < 8; round += 1) {
    await guarded.write(new Uint8Array(64 * 1024));
    await far.read();
  }
  assert.equal(gate.pendingBytesMax(), 208 * 1024);
});
