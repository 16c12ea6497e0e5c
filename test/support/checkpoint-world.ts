/** Hosts with fake VMs whose guest is this machine: a real guest agent, real commands, and a workspace in a folder of its own. */
import assert from 'node:assert/strict';
import { lstat, mkdtemp, readFile, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/teleport/find-checkpoint.ts';
import { restoreAsNew } from '../../src/daemon/restore-as-new.ts';
import { takeCheckpoint } from '../../src/teleport/take-checkpoint.ts';
import { askedApplication } from '../../src/checkpoint/application.ts';
import type { Env } from '../../src/env/env.ts';
import type { Supervisor } from '../../src/daemon/supervisor.ts';
import type { Restored } from '../../src/daemon/api/snapshots.ts';
import type { GuestAgent } from '../../src/guest/guest-agent.ts';
import type { ManagedVm } from '../../src/teleport/managed-vm.ts';
import type { CheckpointTaken } from '../../src/teleport/take-checkpoint.ts';
import { FakeHosts, quiet } from './fake-hosts.ts';
import { HostAgent, buildHostAgent } from './host-agent.ts';

export class CheckpointWorld implements AsyncDisposable {
  readonly hosts: FakeHosts;
  /** A folder that is the guest's, as the program sees it, and ours. */
  readonly folder: string;
  readonly #guest: HostAgent;
  #agent: GuestAgent | null = null;

  private constructor(hosts: FakeHosts, guest: HostAgent, folder: string) {
    this.hosts = hosts;
    this.#guest = guest;
    this.folder = folder;
  }

  static async create(): Promise<CheckpointWorld> {
    await buildHostAgent();
    const guest = await HostAgent.start();
    const folder = await mkdtemp(join(tmpdir(), 'klp-guest-'));
    return new CheckpointWorld(await FakeHosts.create(), guest, folder);
  }

  get workspace(): string {
    return join(this.folder, 'work');
  }

  /** A daemon, which has the guest to itself from now on. */
  async start(name: string, env: Env = this.hosts.env): Promise<Supervisor> {
    this.#agent?.close();
    this.#agent = null;
    const agent = async (): Promise<GuestAgent> => (this.#agent ??= await this.#guest.connect());
    return this.hosts.start(name, { agent }, env);
  }

  /** @param application members of it; its workspace is `workspace` unless it says another. */
  async take(
    { host, registry }: Supervisor,
    vm: ManagedVm,
    application: Readonly<Record<string, unknown>> = {},
    { storeUrl = null, signal = quiet.signal }: { storeUrl?: string | null; signal?: AbortSignal } = {},
  ): Promise<CheckpointTaken> {
    const asked = askedApplication({ name: 'agent', workspace: [this.workspace], ...application });
    const request = { message: '', storeUrl, application: asked };
    return takeCheckpoint(host, registry, vm, request, { ...quiet, signal });
  }

  async restore(
    supervisor: Supervisor,
    packageId: string,
    machine: Parameters<typeof restoreAsNew>[2]['machine'] = {},
  ): Promise<Restored> {
    const origin = await openCheckpoint(supervisor.host, this.hosts.storeUrl, packageId);
    assert.ok(origin !== null, 'the package is a checkpoint');
    return restoreAsNew(supervisor, origin, { name: 'again', publish: null, machine }, quiet);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent?.close();
    await this.#guest[Symbol.asyncDispose]();
    await this.hosts.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Everything of a tree that a checkpoint promises, one line for each file, and which of them are one. */
export async function describeTree(root: string): Promise<readonly string[]> {
  const lines: string[] = [];
  const first = new Map<bigint, string>();
  for (const name of await namesUnder(Buffer.from(root), Buffer.from('.'))) {
    const path = Buffer.concat([Buffer.from(`${root}/`), name]);
    const info = await lstat(path, { bigint: true });
    if (info.isSocket()) continue;
    const text = name.toString('latin1');
    const content = info.isFile() ? (await readFile(path)).toString('base64') : '';
    const target = info.isSymbolicLink() ? await readlink(path) : '';
    const twin = info.isFile() ? (first.get(info.ino) ?? text) : '';
    first.set(info.ino, twin);
    lines.push([text, info.mode, info.uid, info.gid, info.mtimeNs, target, twin, content].join(' '));
  }
  return lines;
}

/** Names need not be UTF-8. */
async function namesUnder(root: Buffer, name: Buffer): Promise<readonly Buffer[]> {
  const slash = Buffer.from('/');
  const path = Buffer.concat([root, slash, name]);
  if (!(await lstat(path)).isDirectory()) return [name];
  const names = [name];
  for (const entry of (await readdir(path, { encoding: 'buffer' })).toSorted((a, b) => a.compare(b)))
    names.push(...(await namesUnder(root, Buffer.concat([name, slash, entry]))));
  return names;
}
