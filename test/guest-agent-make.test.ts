/** The guest agent's own suite: its units under sanitizers, and a minute of fuzzing of what parses the host's bytes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';

const FUZZ_SECONDS = 60;
const MAKE_TIMEOUT_MS = 600_000;

const folder = join(import.meta.dirname, '../guest-agent');

function make(...args: readonly string[]): void {
  const options = { encoding: 'utf8', timeout: MAKE_TIMEOUT_MS } as const;
  const { status, signal, stdout, stderr } = spawnSync('make', ['-C', folder, ...args], options);
  assert.equal(status, 0, `make ${args.join(' ')} ended with ${signal ?? status}:\n${stdout}${stderr}`);
}

test('the guest agent passes its own tests under address and undefined-behaviour sanitizers', () => {
  make('test');
});

test('the guest agent survives a minute of fuzzing', () => {
  make('fuzz', `FUZZ_SECONDS=${FUZZ_SECONDS}`);
});
