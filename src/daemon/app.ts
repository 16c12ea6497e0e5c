/** The HTTP application: the table of routes (`api/routes.ts`), each answered by its room. */
import { asError, KelpieError } from '../base/errors.ts';
import { API_VERSION, API_VERSION_HEADER } from './api/version.ts';
import { answerProblem } from './answers.ts';
import { findRoute } from './find-route.ts';
import { blobsRoom } from './rooms/blobs.ts';
import { checkpointsRoom } from './rooms/checkpoints.ts';
import { filesRoom } from './rooms/files.ts';
import { forksRoom } from './rooms/forks.ts';
import { imagesRoom } from './rooms/images.ts';
import { keysRoom } from './rooms/keys.ts';
import { lifeRoom } from './rooms/life.ts';
import { movesRoom } from './rooms/moves.ts';
import { ownershipRoom } from './rooms/ownership.ts';
import { packageCareRoom } from './rooms/package-care.ts';
import { packagesRoom } from './rooms/packages.ts';
import { sessionsRoom } from './rooms/sessions.ts';
import { snapshotsRoom } from './rooms/snapshots.ts';
import { storeHostsRoom } from './rooms/store-hosts.ts';
import { storesRoom } from './rooms/stores.ts';
import { systemRoom } from './rooms/system.ts';
import { vmsRoom } from './rooms/vms.ts';
import type { RouteName } from './api/routes.ts';
import type { Handler } from './room.ts';
import type { Supervisor } from './supervisor.ts';

/** Answered whatever version the client is of, so that it can tell what to do about it. */
const versionless: ReadonlySet<RouteName> = new Set<RouteName>(['version', 'shutdown']);

/** @param shutdown called when a client asks the daemon to end. */
export function createApp(
  supervisor: Supervisor,
  shutdown: () => void,
): (request: Request) => Promise<Response> {
  const handlers: Readonly<Record<RouteName, Handler>> = {
    ...systemRoom(shutdown)(supervisor),
    ...vmsRoom(supervisor),
    ...lifeRoom(supervisor),
    ...sessionsRoom(supervisor),
    ...filesRoom(supervisor),
    ...snapshotsRoom(supervisor),
    ...checkpointsRoom(supervisor),
    ...movesRoom(supervisor),
    ...forksRoom(supervisor),
    ...ownershipRoom(supervisor),
    ...packagesRoom(supervisor),
    ...packageCareRoom(supervisor),
    ...blobsRoom(supervisor),
    ...imagesRoom(supervisor),
    ...keysRoom(supervisor),
    ...storesRoom(supervisor),
    ...storeHostsRoom(supervisor),
  };
  const answer = async (request: Request): Promise<Response> => {
    const { method, headers } = request;
    const path = new URL(request.url).pathname;
    const route = findRoute(method, path);
    if (route === null) throw new KelpieError('not_found', `there is nothing at ${method} ${path}.`);
    if (!versionless.has(route.name)) checkVersion(headers.get(API_VERSION_HEADER));
    return handlers[route.name](request, route.parameters);
  };
  return async (request) => {
    try {
      return await answer(request);
    } catch (error) {
      if (!(error instanceof KelpieError))
        supervisor.host.log.error({ event: 'request-failed', err: asError(error) });
      return answerProblem(error);
    }
  };
}

/** A client that does not say is taken for one of ours: curl, above all. */
function checkVersion(told: string | null): void {
  if (told === null || told === String(API_VERSION)) return;
  throw new KelpieError(
    'daemon_version_mismatch',
    `the daemon speaks version ${API_VERSION} of its API and this client ${told}: end it with \`kelpie daemon stop\`, and the next command starts the right one.`,
  );
}
