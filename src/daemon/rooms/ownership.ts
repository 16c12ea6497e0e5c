import { reclaim } from '../../teleport/reclaim.ts';
import { reclaimBody, whoQuery } from '../api/ownership.ts';
import { routes } from '../api/routes.ts';
import { answerJson } from '../answers.ts';
import { answerEvents } from '../event-stream.ts';
import { readBody, readQuery } from '../requests.ts';
import { parameter } from '../room.ts';
import { whoMayRun } from '../who.ts';
import type { Room } from '../room.ts';

export const ownershipRoom: Room<'who' | 'reclaim'> = (supervisor) => {
  const { host, registry } = supervisor;
  return {
    who: async (request, parameters) => {
      const { storeUrl = null } = readQuery(request, whoQuery);
      return answerJson(routes.who, await whoMayRun(supervisor, parameter(parameters, 'vm'), storeUrl));
    },

    reclaim: async (request) => {
      const asked = await readBody(request, reclaimBody);
      return answerEvents(supervisor, routes.reclaim, request, (options) =>
        supervisor.operate(`reclaim:${asked.storeUrl}:${asked.vm}`, `reclaim "${asked.vm}"`, () =>
          reclaim(host, registry, asked, options),
        ),
      );
    },
  };
};
