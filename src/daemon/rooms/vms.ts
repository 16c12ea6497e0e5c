import { routes } from '../api/routes.ts';
import { vmCreate, vmRemove } from '../api/vms.ts';
import { KelpieError } from '../../base/errors.ts';
import { createVm, removeVm } from '../../teleport/lifecycle.ts';
import { removeStray } from '../../teleport/managed-vm.ts';
import { answerJson } from '../answers.ts';
import { answerEvents } from '../event-stream.ts';
import { planVm } from '../plan-vm.ts';
import { readBody, readQuery } from '../requests.ts';
import { parameter } from '../room.ts';
import { viewDamaged, viewDetail, viewVm } from '../views.ts';
import type { Room } from '../room.ts';

export const vmsRoom: Room<'vmList' | 'vmCreate' | 'vmInspect' | 'vmRemove'> = (supervisor) => {
  const { host, registry } = supervisor;
  return {
    vmList: async () => {
      const vms = [
        ...registry.all.map((vm) => viewVm(supervisor, vm)),
        ...registry.damaged.map((vm) => viewDamaged(supervisor, vm)),
      ];
      return answerJson(routes.vmList, { vms: vms.toSorted((a, b) => (a.name < b.name ? -1 : 1)) });
    },

    vmCreate: async (request) => {
      const asked = await readBody(request, vmCreate);
      return answerEvents(supervisor, routes.vmCreate, request, async (options) => {
        const { name } = asked;
        return supervisor.operate(`name:${name}`, `create "${name}"`, async () => {
          registry.requireFreeName(name);
          const plan = await planVm(supervisor, asked);
          return supervisor.operate(plan.id, `create "${name}"`, async () => {
            const { vm, timings } = await createVm(host, registry, plan, options);
            return { vm: viewVm(supervisor, vm), timings };
          });
        });
      });
    },

    vmInspect: async (_request, parameters) =>
      answerJson(routes.vmInspect, viewDetail(supervisor, registry.require(parameter(parameters, 'vm')))),

    vmRemove: async (request, parameters) => {
      const { force } = readQuery(request, vmRemove);
      const reference = parameter(parameters, 'vm');
      const damaged = registry.damaged.find(({ id }) => id === reference);
      if (damaged !== undefined) {
        if (!force) throw new KelpieError('io_failed', damaged.reason);
        await supervisor.operate(damaged.id, 'remove it', async () => {
          await removeStray(host, host.places.runDirectory(damaged.id));
          await registry.remove(damaged.id);
        });
        return answerJson(routes.vmRemove, {});
      }
      const vm = registry.require(reference);
      const abandoned = force ? supervisor.giveUp(vm.id) : null;
      await supervisor.operate(vm.id, `remove "${vm.name}"`, () => removeVm(host, registry, vm, force));
      if (abandoned !== null) await host.journal.remove(abandoned);
      return answerJson(routes.vmRemove, {});
    },
  };
};
