/** The calls of Firecracker's API that VMs need, in the order in which a VM meets them. */
import { z } from 'zod';
import { SNAPSHOT_CREATE_TIMEOUT_MS, SNAPSHOT_LOAD_TIMEOUT_MS } from '../limits.ts';
import type { FirecrackerApi } from './client.ts';
import type {
  Balloon,
  BootSource,
  Drive,
  Logger,
  MachineConfiguration,
  NetworkInterface,
  SerialDevice,
  SnapshotCreateParams,
  SnapshotLoadParams,
  Vsock,
} from './requests.ts';

export interface InstanceInfo {
  readonly state: 'Not started' | 'Running' | 'Paused';
  readonly vmm_version: string;
}

const instanceSchema: z.ZodType<InstanceInfo> = z.object({
  state: z.enum(['Not started', 'Running', 'Paused']),
  vmm_version: z.string(),
});

export async function describeInstance(api: FirecrackerApi): Promise<InstanceInfo> {
  return api.ask({ method: 'GET', path: '/', act: 'describe itself' }, instanceSchema);
}

export async function putLogger(api: FirecrackerApi, body: Logger): Promise<void> {
  await api.act({ method: 'PUT', path: '/logger', body, act: 'write its log' });
}

export async function putMetrics(api: FirecrackerApi, metricsPath: string): Promise<void> {
  const body = { metrics_path: metricsPath };
  await api.act({ method: 'PUT', path: '/metrics', body, act: 'write its metrics' });
}

export async function putSerial(api: FirecrackerApi, body: SerialDevice): Promise<void> {
  await api.act({ method: 'PUT', path: '/serial', body, act: 'limit the console' });
}

export async function putMachine(api: FirecrackerApi, body: MachineConfiguration): Promise<void> {
  await api.act({ method: 'PUT', path: '/machine-config', body, act: 'make the machine' });
}

export async function putBootSource(api: FirecrackerApi, body: BootSource): Promise<void> {
  await api.act({ method: 'PUT', path: '/boot-source', body, act: 'take the kernel' });
}

export async function putDrive(api: FirecrackerApi, body: Drive): Promise<void> {
  await api.act({
    method: 'PUT',
    path: `/drives/${body.drive_id}`,
    body,
    act: `open the drive "${body.drive_id}"`,
  });
}

export async function putNetwork(api: FirecrackerApi, body: NetworkInterface): Promise<void> {
  const act = `use the network device ${body.host_dev_name}`;
  await api.act({ method: 'PUT', path: `/network-interfaces/${body.iface_id}`, body, act });
}

export async function putVsock(api: FirecrackerApi, body: Vsock): Promise<void> {
  await api.act({ method: 'PUT', path: '/vsock', body, act: 'make the vsock device' });
}

export async function putEntropy(api: FirecrackerApi): Promise<void> {
  await api.act({ method: 'PUT', path: '/entropy', body: {}, act: 'make the entropy device' });
}

export async function putBalloon(api: FirecrackerApi, body: Balloon): Promise<void> {
  await api.act({ method: 'PUT', path: '/balloon', body, act: 'make the balloon' });
}

export async function startInstance(api: FirecrackerApi): Promise<void> {
  await action(api, 'InstanceStart', 'start the VM');
}

export async function sendCtrlAltDel(api: FirecrackerApi): Promise<void> {
  await action(api, 'SendCtrlAltDel', 'press Ctrl-Alt-Del');
}

async function action(
  api: FirecrackerApi,
  type: 'InstanceStart' | 'SendCtrlAltDel',
  act: string,
): Promise<void> {
  await api.act({ method: 'PUT', path: '/actions', body: { action_type: type }, act });
}

/** Calling it twice does no harm. */
export async function pauseVm(api: FirecrackerApi): Promise<void> {
  await api.act({ method: 'PATCH', path: '/vm', body: { state: 'Paused' }, act: 'pause the VM' });
}

/** Calling it twice does no harm. */
export async function resumeVm(api: FirecrackerApi): Promise<void> {
  await api.act({ method: 'PATCH', path: '/vm', body: { state: 'Resumed' }, act: 'resume the VM' });
}

/** Of a paused VM. Both files are synced when it resolves. */
export async function createSnapshot(api: FirecrackerApi, body: SnapshotCreateParams): Promise<void> {
  const timeoutMs = SNAPSHOT_CREATE_TIMEOUT_MS;
  await api.act({ method: 'PUT', path: '/snapshot/create', body, act: 'take the snapshot', timeoutMs });
}

/** In a fresh process only, and once: Firecracker ends when it fails. */
export async function loadSnapshot(api: FirecrackerApi, body: SnapshotLoadParams): Promise<void> {
  const timeoutMs = SNAPSHOT_LOAD_TIMEOUT_MS;
  await api.act({ method: 'PUT', path: '/snapshot/load', body, act: 'load the snapshot', timeoutMs });
}
