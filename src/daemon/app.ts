/** The HTTP application: the table of routes (`api/routes.ts`), each answered by its room. */
import { Hono } from 'hono';
import { asError, KelpieError } from '../base/errors.ts';
import { routes } from './api/routes.ts';
import { API_VERSION, API_VERSION_HEADER } from './api/version.ts';
import { answerProblem } from './answers.ts';
import { blobsRoom } from './rooms/blobs.ts';
import { filesRoom } from './rooms/files.ts';
import { imagesRoom } from './rooms/images.ts';
import { keysRoom } from './rooms/keys.ts';
import { lifeRoom } from './rooms/life.ts';
import { movesRoom } from './rooms/moves.ts';
import { ownershipRoom } from './rooms/ownership.ts';
import { packageCareRoom } from './rooms/package-care.ts';
import { packagesRoom } from './rooms/packages.ts';
import { sessionsRoom } from './rooms/sessions.ts';
import { snapshotsRoom } from './rooms/snapshots.ts';
import { storesRoom } from './rooms/stores.ts';
import { systemRoom } from './rooms/system.ts';
import { vmsRoom } from './rooms/vms.ts';
import type { Route, RouteName } from './api/routes.ts';
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
    ...movesRoom(supervisor),
    ...ownershipRoom(supervisor),
    ...packagesRoom(supervisor),
    ...packageCareRoom(supervisor),
    ...blobsRoom(supervisor),
    ...imagesRoom(supervisor),
    ...keysRoom(supervisor),
    ...storesRoom(supervisor),
  };
  const app = new Hono();
  for (const name of Object.keys(routes).filter(isRouteName)) {
    const { method, path }: Route = routes[name];
    app.on(method, path, async (context) => {
      if (!versionless.has(name)) checkVersion(context.req.header(API_VERSION_HEADER));
      return handlers[name](context.req.raw, context.req.param());
    });
  }
  app.notFound((context) =>
    answerProblem(
      new KelpieError('not_found', `there is nothing at ${context.req.method} ${context.req.path}.`),
    ),
  );
  app.onError((error) => {
    if (!(error instanceof KelpieError))
      supervisor.host.log.error({ event: 'request-failed', err: asError(error) });
    return answerProblem(error);
  });
  return async (request) => app.fetch(request);
}

function isRouteName(name: string): name is RouteName {
  return Object.hasOwn(routes, name);
}

/** A client that does not say is taken for one of ours: curl, above all. */
function checkVersion(told: string | undefined): void {
  if (told === undefined || told === String(API_VERSION)) return;
  throw new KelpieError(
    'daemon_version_mismatch',
    `the daemon speaks version ${API_VERSION} of its API and this client ${told}: end it with \`kelpie daemon stop\`, and the next command starts the right one.`,
  );
}
