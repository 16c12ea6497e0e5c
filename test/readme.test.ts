/** What the README tells people to type is understood by the program. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { createNodeEnv } from '../src/env/node/env.ts';
import { main } from '../src/cli/main.ts';
import { errorCodes } from '../src/base/error-codes.ts';
import { memoryTerminal } from './support/memory-terminal.ts';

const project = join(import.meta.dirname, '..');
const readme = await readFile(join(project, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```\n(.*?)^```$/gmsu)].map((match) => match[1] ?? '');

await test('every command line has a command and options that exist', async () => {
  const lines = blocks.flatMap((block) =>
    [...block.matchAll(/^(?:\$ )?kelpie ([^\n]+)$/gmu)].map((match) => match[1] ?? ''),
  );
  assert.ok(lines.length >= 6, 'the README shows how it is used');
  for (const line of lines) {
    const words: readonly string[] = (line.split(/\s{3,}/u)[0] ?? '').match(/"[^"]*"|\S+/gu) ?? [];
    const end = words.findIndex((word) => word === '--' || word === '|');
    const own = words.slice(0, end === -1 ? undefined : end);
    const { terminal, output } = memoryTerminal();
    const [command = '', member = ''] = own;
    assert.equal(await main(createNodeEnv(), terminal, [command, '--help']), 0, line);
    // The options of a group's command are in its own help.
    if (output().includes('Commands:'))
      assert.equal(await main(createNodeEnv(), terminal, [command, member, '--help']), 0, line);
    for (const option of own.filter((word) => /^-./u.test(word))) {
      assert.match(output(), new RegExp(`(^|[\\s,])${option}[\\s,]`, 'mu'), `${line}: ${option}`);
    }
  }
});

await test('the two commands are scripts of the package', async () => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(await readFile(join(project, 'package.json'), 'utf8')));
  const named = [...readme.matchAll(/npm (?:run ([a-z]+)|(test))/gu)].map(
    (match) => match[1] ?? match[2] ?? '',
  );
  assert.ok(named.includes('demo') && named.includes('test'));
  for (const name of named) assert.ok(name in scripts, name);
});

await test('every exit status of the table of codes is told', () => {
  const told = /^Exit status: .*$(?:\n^.+$)*/mu.exec(readme)?.[0] ?? '';
  const statuses = new Set(Object.values(errorCodes).map(({ exit }) => exit));
  for (const status of statuses) assert.match(told, new RegExp(`\\b${status}\\b`, 'u'), String(status));
});
