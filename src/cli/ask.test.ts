import assert from 'node:assert/strict';
import test from 'node:test';
import { memoryTerminal } from '../../test/support/memory-terminal.ts';
import { utf8 } from '../base/bytes.ts';
import { askYesNo } from './ask.ts';

test('only a yes is a yes', async () => {
  const answers: Readonly<Record<string, boolean>> = {
    'y\n': true,
    'YES\r\n': true,
    'n\n': false,
    '\n': false,
    '': false,
    y: false,
    'yesterday\n': false,
    [`y${' '.repeat(100)}`]: false,
  };
  for (const [typed, expected] of Object.entries(answers)) {
    const input = typed.split('').map((key) => utf8(key));
    const { terminal, errors } = memoryTerminal({ isTty: true, input });
    assert.equal(await askYesNo({ terminal }, 'Shall it?'), expected, JSON.stringify(typed));
    assert.equal(errors(), 'Shall it? [y/N] ');
  }
});
