/**
 * TAP devices of Firecracker's VMs on this machine's kernel, in a network namespace of the test's own: made, used by a process in a cage, in the way,
 * left over by a daemon that was killed.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { isKelpieError } from '../src/base/errors.ts';
import { createNodeEnv } from '../src/env/node/env.ts';
import { createVmTap, removeVmTap } from '../src/vm/firecracker/tap.ts';
import { versionOf } from './conformance-firecracker/binary.ts';
import type { Case } from './conformance-firecracker/case.ts';
import { launchJailed, startJailed } from './conformance-firecracker/cases/jailer.ts';
import { done } from './conformance-firecracker/expect.ts';
import { runCases } from './conformance-firecracker/run.ts';
import { eventually } from './support/eventually.ts';
import { makeNetworkNamespace } from './support/network-namespace.ts';
import { standInOptions } from './support/stand-in-options.ts';

const OWNER_UID = 123;
const BRIDGE = 'br0';
const env = createNodeEnv();
const killedMaker = join(import.meta.dirname, 'support/killed-tap-maker.ts');

const own = await makeNetworkNamespace();
const namespace = own?.path ?? '';
const why = own === null ? 'this user may not make network namespaces here (issue #5)' : false;

describe('TAP devices of this kernel', { skip: why }, () => {
  let runDirectory: string;

  const ip = (...args: readonly string[]): string =>
    execFileSync('nsenter', [`--net=${namespace}`, 'ip', ...args], { encoding: 'utf8' });
  const devices = (): readonly string[] => ip('-br', 'link').match(/^kelpie[0-9a-f]+/gm) ?? [];
  const create = (bridge: string | null): Promise<string> =>
    createVmTap(env, { runDirectory, bridge, ownerUid: OWNER_UID, namespace });

  before(() => void ip('link', 'add', BRIDGE, 'type', 'bridge'));
  beforeEach(async () => {
    runDirectory = await mkdtemp(join(tmpdir(), 'kelpie-tap-'));
  });
  afterEach(async () => await rm(runDirectory, { recursive: true }));
  after(() => own?.close());

  test('one is made for its user, on its bridge, and goes with its VM', async () => {
    const name = await create(BRIDGE);
    assert.match(
      ip('-details', 'link', 'show', 'dev', name),
      new RegExp(`tun type tap .*user ${OWNER_UID} `),
    );
    assert.match(ip('link', 'show', 'dev', name), new RegExp(`[<,]UP[,>].* master ${BRIDGE} `));
    await removeVmTap(env, runDirectory);
    assert.deepEqual(devices(), []);
    await removeVmTap(env, runDirectory);
  });

  test('one that is there already is told, and stays', async () => {
    const name = await create(null);
    await rm(join(runDirectory, 'tap'));
    await assert.rejects(create(null), (error) => isKelpieError(error, 'name_taken'));
    await removeVmTap(env, runDirectory);
    assert.deepEqual(devices(), [name]);
    ip('link', 'delete', 'dev', name);
  });

  test('a bridge that is not there is refused in the words of ip, and nothing is left', async () => {
    await assert.rejects(
      create('nobridge'),
      (error) => isKelpieError(error, 'vm_start_failed') && error.message.includes('nobridge'),
    );
    await removeVmTap(env, runDirectory);
    assert.deepEqual(devices(), []);
  });

  test('one that a daemon which was killed has left over is removed, and can be made again', async () => {
    const maker = spawn(process.execPath, [killedMaker, runDirectory, namespace], { stdio: 'inherit' });
    await once(maker, 'exit');
    assert.equal(maker.signalCode, 'SIGKILL');
    const left = devices();
    assert.equal(left.length, 1, 'it was killed with the device made');
    await removeVmTap(env, runDirectory);
    assert.deepEqual(devices(), []);
    assert.deepEqual([await create(null)], left);
    await removeVmTap(env, runDirectory);
  });

  test('those of a namespace that is gone are gone with it', async () => {
    const other = await makeNetworkNamespace();
    assert.ok(other !== null);
    const request = { runDirectory, bridge: null, ownerUid: OWNER_UID };
    await createVmTap(env, { ...request, namespace: other.path });
    other.close();
    await eventually(() => !existsSync(other.path), 'the namespace is gone');
    await removeVmTap(env, runDirectory);
  });

  test('a VM in a cage finds it in its namespace, and is attached to it', async () => {
    const name = await create(null);
    const attached: Case = {
      name: 'a caged VM on a TAP',
      run: async (world) => {
        const one = await launchJailed(world, 'jailed-1', ['--netns', namespace]);
        done(await one.put('/network-interfaces/net', { iface_id: 'net', host_dev_name: name }));
        assert.doesNotMatch(ip('link', 'show', 'dev', name), /LOWER_UP/);
        await startJailed(one);
        assert.match(ip('link', 'show', 'dev', name), /LOWER_UP/);
      },
    };
    const version = await versionOf(env, standInOptions.binary);
    const report = await runCases(standInOptions, version, [attached], () => undefined);
    assert.deepEqual(
      report.tests.map(({ reason }) => reason),
      [''],
    );
    await removeVmTap(env, runDirectory);
    assert.deepEqual(devices(), []);
  });
});
