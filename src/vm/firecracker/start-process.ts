/** From a VM's files to its process, configured no further than its logs: what a boot and a restore have in common. */
import { makeDurable } from '../../env/durable-files.ts';
import { diskLayerPath } from '../../snapshot/local-snapshot.ts';
import type { DiskLayer } from '../../snapshot/local-snapshot.ts';
import { AgentLink } from '../agent-link.ts';
import { both } from '../bounded.ts';
import type { FirstContact } from '../first-contact.ts';
import { emptyRunDirectory } from '../run-directory.ts';
import type { Undo } from '../undo.ts';
import { putLogger, putMetrics, putSerial } from './api/calls.ts';
import { commandLine } from './command-line.ts';
import { readConsole } from './console.ts';
import type { FirecrackerProcess, VmContext } from './context.ts';
import { removeControlGroup } from './control-group.ts';
import { createDisk } from './disk.ts';
import { explainSlirp } from './explain-slirp.ts';
import { launchFirecracker } from './launch.ts';
import { CONSOLE_BYTES_PER_SECOND } from './limits.ts';
import type { Network } from './network.ts';
import { nameOnHost, names, processPlaces, show } from './process-places.ts';
import type { ProcessPlaces } from './process-places.ts';
import { endSlirp, startSlirp } from './slirp.ts';
import { createVmTap, removeVmTap } from './tap.ts';
import { inUserNetwork, USER_TAP } from './user-network.ts';
import type { FirecrackerFeatures } from './version.ts';
import { AGENT_VSOCK_PORT, connectVsock } from './vsock-connection.ts';

export interface StartedProcess {
  readonly process: FirecrackerProcess;
  readonly places: ProcessPlaces;
  readonly link: AgentLink;
  readonly tap: string | null;
}

export interface StartRequest {
  readonly files: readonly ShownFile[];
  /** Frozen layers, below the one that the guest is to write to; none at a first boot. */
  readonly disk: readonly DiskLayer[];
  /** What its card is on. */
  readonly network: Network;
  readonly signal: AbortSignal | undefined;
}

/** What the process is shown beside its disks. */
export interface ShownFile {
  readonly name: string;
  readonly path: string;
}

/**
 * A process that is shown its files and a disk of its own. `undo` ends it, clears up, and removes the disk.
 * @returns the layer that its guest writes to as `top`, on the host's disk for good.
 * @throws KelpieError `vm_start_failed`, `backend_unavailable`, `file_not_found`, `name_taken`, `port_taken`, `permission_denied`, `canceled`;
 * as `createDisk`.
 */
export async function startProcess(
  context: VmContext,
  undo: Undo,
  request: StartRequest,
): Promise<{ readonly started: StartedProcess; readonly top: DiskLayer }> {
  const { env, places } = context;
  const abilities = await context.abilities();
  const own = placesOf(context, abilities.program);
  const clear = (): Promise<void> => clearUp({ ...context, runDirectory: places.runDirectory });
  undo.onFailure(clear);
  await clear();
  await env.files.makeDirectory(own.root);
  const tap = await makeTap(context, request.network);
  // It opens none of its files before it is asked to, so it starts while they are made.
  const launching = launch(context, undo, { own, program: abilities.program, ...request });
  const [process, top] = await both(launching, showAll(context, undo, { own, ...request }));
  await both(joinNetwork(context, process, request), putReports(process, abilities.features));
  const link = openAgentLink(context, own);
  undo.onFailure(async () => link.close());
  return { started: { process, places: own, link, tap }, top };
}

async function launch(
  { env, id, jail }: VmContext,
  undo: Undo,
  request: Pick<StartRequest, 'network' | 'signal'> & {
    readonly own: ProcessPlaces;
    readonly program: string;
  },
): Promise<FirecrackerProcess> {
  const { own, program, network, signal } = request;
  const line = commandLine(program, id, own, jail);
  const placed = network.kind === 'user' ? inUserNetwork(line) : line;
  const process = await launchFirecracker(env, placed, own, signal);
  undo.onFailure(() => process.end());
  return process;
}

/** Its name; null when it has no card. */
async function makeTap({ env, places, jail }: VmContext, network: Network): Promise<string | null> {
  if (network.kind === 'none') return null;
  if (network.kind === 'user') return USER_TAP;
  return createVmTap(env, {
    runDirectory: places.runDirectory,
    bridge: network.bridge,
    ownerUid: jail?.uid ?? env.host.uid,
    namespace: jail?.networkNamespace ?? null,
  });
}

/** Firecracker runs, and so the devices of its namespace are there. */
async function joinNetwork(
  { env, places, config }: VmContext,
  { identity }: FirecrackerProcess,
  { network, signal }: { readonly network: Network; readonly signal: AbortSignal | undefined },
): Promise<void> {
  if (network.kind !== 'user') return;
  const { program } = network;
  const { runDirectory } = places;
  try {
    await startSlirp(env, { program, runDirectory, vm: identity, publish: config.publish, signal });
  } catch (error) {
    throw explainSlirp(error);
  }
}

async function putReports({ api }: FirecrackerProcess, features: FirecrackerFeatures): Promise<void> {
  await putLogger(api, { log_path: names.log, level: 'Info' });
  await putMetrics(api, names.metrics);
  if (!features.hasSerialLimit) return;
  const limit = { size: CONSOLE_BYTES_PER_SECOND, refill_time: 1000 };
  await putSerial(api, { rate_limiter: limit });
}

export function placesOf({ env, places, jail }: VmContext, program: string): ProcessPlaces {
  const { runDirectory } = places;
  const cage = jail === null ? null : { program, name: nameOnHost(env.compute, runDirectory) };
  return processPlaces(runDirectory, cage);
}

export function openAgentLink({ env }: VmContext, { vsock }: ProcessPlaces): AgentLink {
  return new AgentLink(env, (signal) => connectVsock(env, vsock, AGENT_VSOCK_PORT, signal));
}

/** How the agent of a VM that has just begun to run is reached. A guest that turns itself off ends its Firecracker. */
export function contactOf(
  { env }: VmContext,
  { link, process, places }: StartedProcess,
  signal: AbortSignal | undefined,
): FirstContact {
  const console = (): ReturnType<typeof readConsole> => readConsole(env, places.console);
  return { link, ended: process.ended, onGuestEnd: () => () => undefined, console, signal };
}

/** Where the process of a VM ran. */
type ProcessPlace = Pick<VmContext, 'env' | 'jail'> & { readonly runDirectory: string };

/** Removes everything of a VM's process, which has ended, but its disk. */
export async function clearUp(place: ProcessPlace): Promise<void> {
  await releaseHost(place);
  await emptyRunDirectory(place.env, place.runDirectory);
}

/** Gives back what the host has for a VM's process, which has ended, beside its files; those lead to it. */
export async function releaseHost({ env, runDirectory, jail }: ProcessPlace): Promise<void> {
  await endSlirp(env, runDirectory);
  await removeVmTap(env, runDirectory);
  if (jail !== null) await removeControlGroup(env, runDirectory, jail);
}

/** Firecracker makes them itself from 1.14 on; before, they must be there. */
async function createLogs({ env }: VmContext, { log, metrics, jail }: ProcessPlaces): Promise<void> {
  for (const path of [log, metrics]) {
    const file = await env.files.open(path, 'wx');
    await file.close();
    // A caged process is another user; its cage keeps the others out.
    if (jail !== null) await env.files.changeMode(path, 0o666);
  }
}

/** Everything that a process opens when it is asked to. The disk comes last: where file systems do not share blocks, copying it takes longest. */
async function showAll(
  context: VmContext,
  undo: Undo,
  request: Pick<StartRequest, 'files' | 'disk' | 'signal'> & { readonly own: ProcessPlaces },
): Promise<DiskLayer> {
  const { env, places } = context;
  const { own, files, disk, signal } = request;
  for (const { name, path } of [...files, { name: names.rootfs, path: places.image.rootfs }])
    await show(env, own, { name, path, access: 'read' });
  await createLogs(context, own);
  const top = await createDisk(context, disk, signal);
  const path = diskLayerPath(places.blobDirectory, top);
  undo.onFailure(() => env.files.removeTree(path));
  await makeDurable(env.files, path);
  await show(env, own, { name: names.data, path, access: 'write' });
  return top;
}
