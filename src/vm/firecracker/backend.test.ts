/** What `kelpie doctor` is told of this host's Firecracker. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import type { Env } from '../../env/env.ts';
import { createNodeEnv } from '../../env/node/env.ts';
import { SystemError } from '../../env/system-error.ts';
import { FakePrograms } from '../../../test/support/fake-programs.ts';
import type { BackendProbe } from '../instance.ts';
import { createFirecrackerBackend } from './backend.ts';
import type { FirecrackerBackendOptions } from './backend.ts';

const node = createNodeEnv();

let directory: string;
/** Why `/dev/kvm` cannot be opened; null: it can. */
let refusal: 'ENOENT' | 'EACCES' | null;
let version: string;
let doGuestsRun: boolean;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kelpie-firecracker-'));
  await writeFile(join(directory, 'firecracker'), '', { mode: 0o755 });
});
after(async () => await rm(directory, { recursive: true }));
beforeEach(() => {
  refusal = null;
  version = '1.16.1';
  doGuestsRun = true;
});

function answer(line: string): { readonly code: number; readonly stdout?: string; readonly stderr?: string } {
  if (line.endsWith(' --version')) return { code: 0, stdout: `Firecracker v${version}\n` };
  if (line.endsWith(' --snapshot-version')) return { code: 0, stdout: 'v10.0.0\n' };
  return doGuestsRun ? { code: 0 } : { code: 1, stderr: 'Cannot run the vCPUs: Input/output error' };
}

function probe(
  options: Partial<FirecrackerBackendOptions> = {},
  host: Partial<Env['host']> = {},
): Promise<BackendProbe> {
  const programs = new FakePrograms(answer);
  const files: Env['files'] = {
    ...node.files,
    open: async (path, mode) => {
      if (path !== '/dev/kvm') return node.files.open(path, mode);
      if (refusal !== null) throw new SystemError(refusal, 'open', path);
      return node.files.open('/dev/null', mode);
    },
  };
  const processes = { ...node.processes, spawn: programs.spawn.bind(programs) };
  const variable = (name: string): string | null => (name === 'PATH' ? directory : null);
  const env: Env = {
    ...node,
    files,
    processes,
    host: { ...node.host, platform: 'linux', variable, ...host },
  };
  return createFirecrackerBackend(env, { cacheDirectory: directory, ...options }).probe();
}

async function unusable(...given: Parameters<typeof probe>): Promise<string> {
  const { usable, findings, guests } = await probe(...given);
  assert.equal(usable, false);
  assert.deepEqual(guests, []);
  return findings.join('\n');
}

test('a host where a guest ran is usable, which is told with the version', async () => {
  const { usable, isByNameOnly, accelerator, findings } = await probe();
  assert.deepEqual([usable, isByNameOnly, accelerator], [true, false, 'kvm']);
  assert.match(findings.join('\n'), /^\S+\/firecracker 1\.16\.1: KVM works\.$/m);
});

test('an open device proves nothing: where no guest runs, it is said why', async () => {
  doGuestsRun = false;
  assert.match(await unusable(), /no guest runs with it \(Cannot run the vCPUs.*working virtualization/);
});

test('a device that is missing, or that this user may not open, is told with what to do', async () => {
  refusal = 'ENOENT';
  assert.match(await unusable(), /there is no \/dev\/kvm: turn virtualization on/);
  refusal = 'EACCES';
  assert.match(await unusable(), /usermod -aG kvm/);
});

test('a program that is not there, too old, or newer than known is told', async () => {
  assert.match(await unusable({}, { variable: () => '/nowhere' }), /is not installed: put/);
  version = '1.11.0';
  assert.match(await unusable(), /install Firecracker 1\.12 or newer/);
  version = '1.17.0';
  const { usable, findings } = await probe();
  assert.ok(usable);
  assert.match(findings.join('\n'), /newer than this Kelpie knows/);
});

test('a program that was named is used by name alone, whatever KVM does', async () => {
  refusal = 'ENOENT';
  const { usable, isByNameOnly } = await probe({ program: join(directory, 'firecracker') });
  assert.deepEqual([usable, isByNameOnly], [true, true]);
});

test('a jailer needs root', async () => {
  const jail = {
    program: join(directory, 'firecracker'),
    uid: 1,
    gid: 1,
    cgroups: [],
    parentCgroup: null,
    networkNamespace: null,
  };
  assert.match(await unusable({ jail }, { uid: 1000 }), /must be started by root/);
  const { findings } = await probe({ jail }, { uid: 0 });
  assert.match(findings.join('\n'), /VMs are caged by .*, as user 1 and group 1\./);
});

test('other systems have none', async () => {
  assert.match(await unusable({}, { platform: 'darwin' }), /Linux only/);
});
