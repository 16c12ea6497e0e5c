import assert from 'node:assert/strict';
import { utf8 } from '../../../src/base/bytes.ts';
import type { Case } from '../case.ts';
import { object } from '../expect.ts';
import { pausedWithBase } from '../machine.ts';
import { writeFile } from '../under-test.ts';

export const commandLineCases: readonly Case[] = [
  {
    name: 'the command line tells the version of the format of snapshots',
    run: async (world) => {
      const { exitCode, output } = await world.print('--snapshot-version');
      assert.equal(exitCode, 0);
      assert.match(output, /^v\d+\.\d+\.\d+\n/m);
    },
  },
  {
    name: 'an argument that nobody knows ends the process with a failure',
    run: async (world) => {
      const { exitCode } = await world.print('--such-an-argument');
      assert.notEqual(exitCode, 0);
    },
  },
  {
    name: 'an id with other signs than letters, digits and hyphens ends the process with a failure',
    run: async (world) => {
      const { exitCode } = await world.print('--api-sock', `${world.folder}/a`, '--id', 'a/b');
      assert.notEqual(exitCode, 0);
    },
  },
  {
    name: 'a socket that is in use is refused, and goes on to answer',
    run: async (world) => {
      const one = await world.launch();
      const { exitCode } = await world.print('--api-sock', one.path('api.sock'));
      assert.notEqual(exitCode, 0);
      object(await one.get('/version'));
    },
  },
  {
    name: 'a stale socket file is refused too',
    run: async (world) => {
      const path = `${world.folder}/stale`;
      await writeFile(world.outside.env, path, new Uint8Array(0));
      const { exitCode } = await world.print('--api-sock', path);
      assert.notEqual(exitCode, 0);
    },
  },
  {
    name: 'the command line describes a state file with the version that it writes',
    run: async (world) => {
      const one = await pausedWithBase(world);
      const described = await world.print('--describe-snapshot', one.path('base.state'));
      const own = await world.print('--snapshot-version');
      assert.equal(described.exitCode, 0);
      assert.equal(described.output.split('\n')[0], own.output.split('\n')[0]);
    },
  },
  {
    name: 'the command line refuses to describe what is no state file',
    run: async (world) => {
      const path = `${world.folder}/state`;
      await writeFile(world.outside.env, path, utf8('not a state file, but long enough to be looked at'));
      const { exitCode } = await world.print('--describe-snapshot', path);
      assert.notEqual(exitCode, 0);
    },
  },
];
