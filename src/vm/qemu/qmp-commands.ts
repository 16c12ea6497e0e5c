/** The commands that the backend uses, each with its arguments and the shape of its answer (QEMU's `qapi/*.json`). */
import { z } from 'zod';
import type { QmpClient } from './qmp-client.ts';

const nothing = z.unknown().transform(() => undefined);

/** Stops the virtual CPUs, drains requests of the guest and flushes its disks. */
export async function stopCpus(qmp: QmpClient): Promise<void> {
  await qmp.execute('stop', null, nothing);
}

export async function continueCpus(qmp: QmpClient): Promise<void> {
  await qmp.execute('cont', null, nothing);
}

/** QEMU flushes its disks and ends. */
export async function quit(qmp: QmpClient): Promise<void> {
  await qmp.execute('quit', null, nothing);
}

/** QEMU's run state: `running`, `paused`, `inmigrate`, `shutdown`, `internal-error` … */
export async function queryRunState(qmp: QmpClient): Promise<string> {
  const { status } = await qmp.execute('query-status', null, z.object({ status: z.string() }));
  return status;
}

/**
 * Writes the state of every device, without RAM, to a file. Despite its name it is not about Xen. Not `live`: that
 * would give up the disks after it, as for a VM that another process takes over.
 */
export async function saveDeviceState(qmp: QmpClient, path: string): Promise<void> {
  await qmp.execute('xen-save-devices-state', { filename: path, live: false }, nothing);
}

/** Opens an overlay file as a node of its own, not yet above anything. */
export async function addOverlay(qmp: QmpClient, node: string, path: string): Promise<void> {
  const file = { driver: 'file', filename: path };
  await qmp.execute(
    'blockdev-add',
    { driver: 'qcow2', 'node-name': node, discard: 'unmap', file, backing: null },
    nothing,
  );
}

/** From now on the guest writes to `overlay`; what is below it is never written again. */
export async function switchToOverlay(qmp: QmpClient, node: string, overlay: string): Promise<void> {
  await qmp.execute('blockdev-snapshot', { node, overlay }, nothing);
}

export async function removeNode(qmp: QmpClient, node: string): Promise<void> {
  await qmp.execute('blockdev-del', { 'node-name': node }, nothing);
}

const blockSchema = z.array(
  z.object({
    // The device's id, or its place in the object tree: `/machine/peripheral/ID/virtio-backend`.
    qdev: z.string().optional(),
    inserted: z.object({ 'node-name': z.string().optional() }).optional(),
  }),
);

/** The node that the guest writes to on this disk device; null when there is none. */
export async function queryDiskNode(qmp: QmpClient, device: string): Promise<string | null> {
  const blocks = await qmp.execute('query-block', null, blockSchema);
  return (
    blocks.find((block) => block.qdev?.split('/').includes(device) === true)?.inserted?.['node-name'] ?? null
  );
}

/** Makes the progress of loading come as events. */
export async function enableMigrationEvents(qmp: QmpClient): Promise<void> {
  await qmp.execute(
    'migrate-set-capabilities',
    { capabilities: [{ capability: 'events', state: true }] },
    nothing,
  );
}

/** Listens on a Unix socket for device state, for a QEMU that was started with `-incoming defer`. */
export async function listenForState(qmp: QmpClient, socketPath: string): Promise<void> {
  await qmp.execute('migrate-incoming', { uri: `unix:${socketPath}` }, nothing);
}

/** Writes guest-physical memory to a file, which it replaces. */
export async function savePhysicalMemory(
  qmp: QmpClient,
  address: number,
  sizeBytes: number,
  path: string,
): Promise<void> {
  await qmp.execute('pmemsave', { val: address, size: sizeBytes, filename: path }, nothing);
}

const consoleSchema = z.base64();

/** Takes up to `sizeBytes` out of a ring buffer, base64. */
export async function readRing(qmp: QmpClient, device: string, sizeBytes: number): Promise<string> {
  return qmp.execute('ringbuf-read', { device, size: sizeBytes, format: 'base64' }, consoleSchema);
}
