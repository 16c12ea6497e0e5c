/**
 * kelpied: one per `KELPIE_HOME`, on the Unix socket in it.
 *
 *     lock ─▶ home, identity ─▶ recover ─▶ serve ──shutdown, signal──▶ operations end or go back ─▶ closed; VMs live on
 */
import { KelpieError, asError } from '../base/errors.ts';
import { isSystemError } from '../env/system-error.ts';
import { readSourceFacts } from '../teleport/host-facts.ts';
import { HostPlaces } from '../teleport/host-places.ts';
import { QemuDiskImages } from '../teleport/qemu-disk-images.ts';
import { createApp } from './app.ts';
import { hostIdentity } from './host-identity.ts';
import { openLog } from './log.ts';
import { Supervisor } from './supervisor.ts';
import type { Env } from '../env/env.ts';
import type { DiskImages } from '../teleport/disk-images.ts';
import type { VmBackend } from '../vm/instance.ts';

export interface DaemonOptions {
  /** Absolute path of `KELPIE_HOME`; made when missing. */
  readonly home: string;
  /** In the order of preference. */
  readonly backends: readonly VmBackend[];
  /** The only one that new VMs are made on, unless they ask for another; absent: whichever is usable first. */
  readonly preferredBackend?: VmBackend['name'] | null;
  /** Absent: by `qemu-img`. */
  readonly disks?: DiskImages;
}

export interface Daemon {
  readonly supervisor: Supervisor;
  readonly socketPath: string;
  /** Resolves when a client has asked the daemon to end. */
  readonly shutdownAsked: Promise<void>;
  /** Ends it: operations under way find their way back, VMs live on. */
  close(): Promise<void>;
}

/** Resolves when it serves, with every VM found again. @throws KelpieError `invalid_state` when one serves this home already. */
export async function startDaemon(env: Env, options: DaemonOptions): Promise<Daemon> {
  const places = new HostPlaces(options.home);
  const socketPath = `${options.home}/kelpied.sock`;
  await makeHome(env, places);
  const lock = await env.files.tryLock(`${options.home}/kelpied.lock`);
  if (lock === null) throw new KelpieError('invalid_state', `a daemon serves ${options.home} already.`);
  const log = openLog(env, `${options.home}/kelpied.log`);
  try {
    const identity = await hostIdentity(env, places);
    const facts = await readSourceFacts(env);
    const disks = options.disks ?? new QemuDiskImages(env, places.blobDirectory);
    const supervisor = new Supervisor({
      env,
      places,
      identity,
      facts,
      log,
      disks,
      backends: options.backends,
      preferredBackend: options.preferredBackend ?? null,
    });
    await supervisor.start();
    const asked = Promise.withResolvers<void>();
    // The lock is ours, so a socket that is there is a dead daemon's.
    await env.files.removeTree(socketPath);
    const listener = await env.http.serve(
      { kind: 'unix', path: socketPath },
      createApp(supervisor, asked.resolve),
    );
    log.info({
      event: 'daemon-started',
      home: options.home,
      hostId: identity.id,
      vms: supervisor.registry.all.length,
    });
    return {
      supervisor,
      socketPath,
      shutdownAsked: asked.promise,
      close: async () => {
        await supervisor.end(new KelpieError('canceled', 'the operation was canceled: the daemon ends.'));
        await listener.close();
        log.info({ event: 'daemon-ended' });
        await log.close();
        await lock.release();
      },
    };
  } catch (error) {
    log.error({ event: 'daemon-failed', err: asError(error) });
    await log.close();
    await lock.release();
    throw error;
  }
}

/** Serves until a client or `signal` asks it to end. */
export async function serve(env: Env, options: DaemonOptions, signal: AbortSignal): Promise<void> {
  const daemon = await startDaemon(env, options);
  const signaled = Promise.withResolvers<void>();
  const onAbort = (): void => signaled.resolve();
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  await Promise.race([daemon.shutdownAsked, signaled.promise]);
  signal.removeEventListener('abort', onAbort);
  await daemon.close();
}

async function makeHome(env: Env, places: HostPlaces): Promise<void> {
  try {
    for (const directory of [
      places.vmsDirectory,
      places.imageDirectory,
      places.blobDirectory,
      places.runsDirectory,
      places.operationsDirectory,
      places.cacheDirectory,
      places.downloadsDirectory,
      places.placesDirectory,
    ]) {
      await env.files.makeDirectory(directory);
    }
    await env.files.changeMode(places.home, 0o700);
    await env.files.removeTree(places.temporaryDirectory);
    await env.files.makeDirectory(places.temporaryDirectory);
    await env.files.syncDirectory(places.home);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new KelpieError(
      'permission_denied',
      `cannot use ${places.home} as KELPIE_HOME (${error.errno}): give another folder.`,
      { cause: error },
    );
  }
}
