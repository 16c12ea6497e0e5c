import { fork } from '../../teleport/fork.ts';
import { liveOrigin, snapshotOrigin } from '../../teleport/fork-origin.ts';
import { packageOrigin } from '../../teleport/fork-package.ts';
import { fork as forkBody, forkPackage } from '../api/forks.ts';
import { toProblem } from '../api/problem.ts';
import { routes } from '../api/routes.ts';
import { answerEvents } from '../event-stream.ts';
import { findForkable } from '../find-forkable.ts';
import { planCopies } from '../plan-copies.ts';
import { requirePorts } from '../ports.ts';
import { readBody } from '../requests.ts';
import { parameter } from '../room.ts';
import { viewVm } from '../views.ts';
import type { ForkOrigin } from '../../teleport/fork-origin.ts';
import type { OperationOptions } from '../../teleport/source.ts';
import type { Copies, Forked } from '../api/forks.ts';
import type { Room } from '../room.ts';

export const forksRoom: Room<'fork' | 'forkPackage'> = (supervisor) => {
  const { host, registry } = supervisor;
  const guardOf = (name: string) => ({
    whileLocked: <T>(vmId: string, act: () => Promise<T>): Promise<T> =>
      supervisor.operate(vmId, `fork "${name}"`, act),
  });
  const run = async (origin: ForkOrigin, asked: Copies, options: OperationOptions): Promise<Forked> => {
    const plans = planCopies(supervisor, origin.vmName, asked);
    const keys = plans.flatMap(({ id, name }) => [id, `name:${name}`]);
    const made = await supervisor.operate(keys, `fork "${origin.vmName}"`, async () => {
      await requirePorts(supervisor, asked.publish ?? [], null);
      return fork(host, registry, origin, plans, options);
    });
    return {
      vms: made.vms.map((vm) => viewVm(supervisor, vm)),
      failed: made.failed.map(({ name, error }) => {
        const { code, detail } = toProblem(error);
        return { name, code, reason: detail };
      }),
      timings: made.timings,
    };
  };
  return {
    fork: async (request, parameters) => {
      const asked = await readBody(request, forkBody);
      const vm = registry.require(parameter(parameters, 'vm'));
      const guard = guardOf(vm.name);
      return answerEvents(supervisor, routes.fork, request, (options) => {
        const { snapshotId } = asked;
        const origin =
          snapshotId === undefined
            ? liveOrigin(host, registry, vm, guard)
            : snapshotOrigin(host, vm, snapshotId, guard);
        return run(origin, asked, options);
      });
    },

    forkPackage: async (request) => {
      const asked = await readBody(request, forkPackage);
      return answerEvents(supervisor, routes.forkPackage, request, async (options) => {
        options.listener.progress('check');
        const store = await host.openStore(asked.storeUrl);
        const packageId = await findForkable(store, asked.source);
        const origin = await packageOrigin(host, store, packageId, guardOf(asked.source));
        const forked = await run(origin, asked, options);
        host.tellStore(asked.storeUrl);
        return forked;
      });
    },
  };
};
