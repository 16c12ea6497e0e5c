import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createNodeEnv } from '../env/node/env.ts';
import { commands } from './commands.ts';
import { main } from './main.ts';
import { memoryTerminal } from '../../test/support/memory-terminal.ts';

const env = createNodeEnv();

async function run(...args: readonly string[]): Promise<{ status: number; output: string; errors: string }> {
  const { terminal, output, errors } = memoryTerminal();
  const status = await main(env, terminal, args);
  return { status, output: output(), errors: errors() };
}

await test('help tells every command, and every command has help with an example', async () => {
  const help = await run('--help');
  assert.equal(help.status, 0);
  for (const { name, summary } of commands) {
    assert.ok(help.output.includes(`  ${name} `), name);
    assert.ok(summary.length > 0);
    const own = await run(name, '--help');
    assert.equal(own.status, 0, name);
    const example = own.output.includes('Examples:') || own.output.includes('Commands:');
    assert.ok(example, `${name} has no example`);
  }
});

await test('a wrong call gets one sentence on stderr and status 64', async () => {
  for (const args of [
    ['nope'],
    ['up'],
    ['exec', 'dev'],
    ['ps', '--nope'],
    ['cp', 'a', 'b'],
    ['up', 'x', '--memory', 'lots'],
    ['completion', 'csh'],
  ]) {
    const { status, output, errors } = await run(...args);
    assert.equal(status, 64, args.join(' '));
    assert.equal(output, '');
    assert.ok(errors.length > 0);
  }
});

await test('with --json an error is a document with its code', async () => {
  const { status, output } = await run('cp', '--json', 'a', 'b');
  assert.equal(status, 64);
  assert.deepEqual(JSON.parse(output), {
    error: {
      code: 'usage',
      message: 'one side must be in a VM (VM:/absolute/path), the other on this host.',
      data: {},
    },
  });
});

await test('completion scripts name every command', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { status, output } = await run('completion', shell);
    assert.equal(status, 0);
    for (const { name } of commands) assert.ok(output.includes(name), `${shell}: ${name}`);
  }
});

await test('the value of a global option before the command is not taken for the command', async () => {
  const { status, errors } = await run('--home', '/tmp/a', 'exec', '--timeout', 'soon', 'dev', '--', 'true');
  assert.equal(status, 64);
  assert.match(errors, /--timeout must be like/);
});
