import { routes } from '../api/routes.ts';
import { checkpointCreate } from '../api/checkpoints.ts';
import { askedApplication } from '../../checkpoint/application.ts';
import { takeCheckpoint } from '../../teleport/take-checkpoint.ts';
import { answerEvents } from '../event-stream.ts';
import { readBody } from '../requests.ts';
import { parameter } from '../room.ts';
import { viewCheckpoint } from '../view-checkpoint.ts';
import type { Room } from '../room.ts';

export const checkpointsRoom: Room<'checkpointCreate'> = (supervisor) => {
  const { host, registry } = supervisor;
  return {
    checkpointCreate: async (request, parameters) => {
      const { message, storeUrl = null, application } = await readBody(request, checkpointCreate);
      const vm = registry.require(parameter(parameters, 'vm'));
      const asked = {
        message,
        storeUrl,
        application: application === undefined ? null : askedApplication(application),
      };
      return answerEvents(supervisor, routes.checkpointCreate, request, (options) =>
        supervisor.operate(vm.id, `checkpoint "${vm.name}"`, async () => {
          const taken = await takeCheckpoint(host, registry, vm, asked, options);
          if (storeUrl !== null) host.tellStore(storeUrl);
          return viewCheckpoint(taken, storeUrl);
        }),
      );
    },
  };
};
