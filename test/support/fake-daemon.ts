/** A whole daemon with its socket over a fake backend, and a client of it. */
import { DaemonClient } from '../../src/cli/daemon-client.ts';
import { startDaemon } from '../../src/daemon/main.ts';
import { routes } from '../../src/daemon/api/routes.ts';
import { fakeDiskImages } from './fake-disk-images.ts';
import { FakeHosts } from './fake-hosts.ts';
import { FakeVmBackend } from './fake-vm-backend.ts';
import type { Daemon } from '../../src/daemon/main.ts';
import type { CallOptions } from '../../src/cli/daemon-client.ts';
import type { Route } from '../../src/daemon/api/routes.ts';
import type { VmView } from '../../src/daemon/api/vms.ts';
import type { Env } from '../../src/env/env.ts';
import type { FakeBackendOptions } from './fake-vm-backend.ts';

export interface FakeDaemon {
  readonly daemon: Daemon;
  readonly client: DaemonClient;
  /** A long operation without its progress; `onPhase` is told each phase. */
  readonly operate: <Result, Body, Query>(
    route: Route<Result, Body, Query>,
    options: CallOptions<Body>,
    onPhase?: (phase: string) => void,
  ) => Promise<Result>;
  readonly up: (name?: string) => Promise<VmView>;
  readonly view: (name?: string) => Promise<VmView>;
}

/** Runs `act` with hosts whose daemons are closed afterwards. */
export async function withFakeHosts(
  act: (
    start: (name: string, options?: FakeBackendOptions, env?: Env) => Promise<FakeDaemon>,
    hosts: FakeHosts,
  ) => Promise<void>,
): Promise<void> {
  const hosts = await FakeHosts.create();
  const started: Daemon[] = [];
  try {
    await act(async (name, options = {}, env = hosts.env) => {
      const home = hosts.home(name);
      const backends = [new FakeVmBackend(env, hosts.machines, options)];
      const daemon = await startDaemon(env, { home, backends, disks: fakeDiskImages });
      started.push(daemon);
      await hosts.installImage(name);
      return connect(hosts.env, daemon);
    }, hosts);
  } finally {
    for (const daemon of started) await daemon.close();
    await hosts.close();
  }
}

function connect(env: Env, daemon: Daemon): FakeDaemon {
  const client = new DaemonClient(env, daemon.socketPath);
  const operate: FakeDaemon['operate'] = async (route, options, onPhase) =>
    await client.operate(route, options, {
      onProgress: async ({ phase }) => onPhase?.(phase),
      onNotice: async () => undefined,
    });
  return {
    daemon,
    client,
    operate,
    up: async (name = 'dev') =>
      (await operate(routes.vmCreate, { body: { name, memoryMib: 128, diskMib: 64 } })).vm,
    view: async (name = 'dev') => await client.call(routes.vmInspect, { parameters: { vm: name } }),
  };
}
