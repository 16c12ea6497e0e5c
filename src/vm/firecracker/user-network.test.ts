import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import type { Env } from '../../env/env.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { FakePrograms } from '../../../test/support/fake-programs.ts';
import type { ProgramAnswer } from '../../../test/support/fake-programs.ts';
import { findNetwork, networkFinding, publishProblem } from './network.ts';
import type { Network } from './network.ts';
import { inUserNetwork } from './user-network.ts';

const node = createNodeEnv();

let directory: string;
/** What `unshare` says; null: it is not there. */
let answer: ProgramAnswer | null;
let programs: FakePrograms;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kelpie-network-'));
  await writeFile(join(directory, 'slirp4netns'), '', { mode: 0o755 });
});
after(async () => await rm(directory, { recursive: true }));
beforeEach(() => {
  answer = { code: 0 };
  programs = new FakePrograms(() => answer);
});

/** On a host whose programs are in a folder. */
function find(path: string): Promise<Network> {
  const host: Env['host'] = { ...node.host, variable: (name) => (name === 'PATH' ? path : null) };
  const processes = { ...node.processes, spawn: programs.spawn.bind(programs) };
  return findNetwork({ ...node, host, processes }, { kind: 'user' });
}

/** Why there is none. */
async function whyNone(path: string): Promise<string> {
  const network = await find(path);
  assert.equal(network.kind, 'none');
  const why = publishProblem(network) ?? '';
  assert.ok(networkFinding(network).includes(why));
  return why;
}

test('a host with all that it takes has it, which was tried', async () => {
  const network = await find(directory);
  assert.deepEqual(network, { kind: 'user', program: join(directory, 'slirp4netns') });
  assert.equal(publishProblem(network), null);
  assert.match(programs.started.join('\n'), /^unshare --user --map-root-user --net sh -c .* kelpie true$/);
});

test('what is missing is told with what to do', async () => {
  assert.match(await whyNone('/nowhere'), /install the package slirp4netns$/);
  assert.deepEqual(programs.started, []);
  answer = null;
  assert.match(await whyNone(directory), /install the package util-linux/);
  const complaints: readonly (readonly [string, RegExp])[] = [
    ['unshare: unshare failed: Operation not permitted', /allow them \(sysctl/],
    ['sh: 1: ip: not found', /install the package iproute2/],
    ['open: Permission denied', /modprobe tun/],
    ['RTNETLINK answers: Operation not supported', /devices .* cannot be made/],
  ];
  for (const [stderr, todo] of complaints) {
    answer = { code: 1, stderr };
    const why = await whyNone(directory);
    assert.match(why, todo);
    assert.ok(why.includes(stderr), 'the system is quoted');
  }
});

test('a program keeps its words in a network of its own', () => {
  const { command, args } = inUserNetwork({ command: '/fc', args: ['--id', 'it’s $(one)'] });
  assert.equal(command, 'unshare');
  assert.deepEqual(args.slice(-3), ['/fc', '--id', 'it’s $(one)']);
});

test('other networks publish nothing, and say so', async () => {
  const tap: Network = { kind: 'tap', bridge: 'br7' };
  assert.equal(await findNetwork(node, tap), tap);
  assert.match(publishProblem(tap) ?? '', /KELPIE_FIRECRACKER_NETWORK=user/);
  assert.match(networkFinding(tap), /br7/);
  assert.match(networkFinding(await findNetwork(node, null)), /KELPIE_FIRECRACKER_NETWORK/);
});
