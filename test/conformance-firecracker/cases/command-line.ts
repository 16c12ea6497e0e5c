import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { printed } from '../binary.ts';
import type { Case } from '../case.ts';
import { object } from '../expect.ts';
import { pausedWithBase } from '../machine.ts';

export const commandLineCases: readonly Case[] = [
  {
    name: 'the command line tells the version of the format of snapshots',
    run: async ({ options }) => {
      const { exitCode, output } = await printed(options.binary, ['--snapshot-version']);
      assert.equal(exitCode, 0);
      assert.match(output, /^v\d+\.\d+\.\d+\n/m);
    },
  },
  {
    name: 'an argument that nobody knows ends the process with a failure',
    run: async ({ options }) => {
      const { exitCode } = await printed(options.binary, ['--such-an-argument']);
      assert.notEqual(exitCode, 0);
    },
  },
  {
    name: 'an id with other signs than letters, digits and hyphens ends the process with a failure',
    run: async ({ options, folder }) => {
      const { exitCode } = await printed(options.binary, ['--api-sock', `${folder}/a`, '--id', 'a/b']);
      assert.notEqual(exitCode, 0);
    },
  },
  {
    name: 'a socket that is in use is refused, and goes on to answer',
    run: async (world) => {
      const one = await world.launch();
      const { exitCode } = await printed(world.options.binary, ['--api-sock', one.path('api.sock')]);
      assert.notEqual(exitCode, 0);
      object(await one.get('/version'));
    },
  },
  {
    name: 'a stale socket file is refused too',
    run: async ({ options, folder }) => {
      await writeFile(`${folder}/stale`, '');
      const { exitCode } = await printed(options.binary, ['--api-sock', `${folder}/stale`]);
      assert.notEqual(exitCode, 0);
    },
  },
  {
    name: 'the command line describes a state file with the version that it writes',
    run: async (world) => {
      const one = await pausedWithBase(world);
      const { binary } = world.options;
      const described = await printed(binary, ['--describe-snapshot', one.path('base.state')]);
      const own = await printed(binary, ['--snapshot-version']);
      assert.equal(described.exitCode, 0);
      assert.equal(described.output.split('\n')[0], own.output.split('\n')[0]);
    },
  },
  {
    name: 'the command line refuses to describe what is no state file',
    run: async ({ options, folder }) => {
      await writeFile(`${folder}/state`, 'not a state file, but long enough to be looked at');
      const { exitCode } = await printed(options.binary, ['--describe-snapshot', `${folder}/state`]);
      assert.notEqual(exitCode, 0);
    },
  },
];
