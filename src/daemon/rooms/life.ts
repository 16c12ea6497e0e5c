import { routes } from '../api/routes.ts';
import { snapshotCreate } from '../api/snapshots.ts';
import { vmStop } from '../api/vms.ts';
import { startVm, stopVm } from '../../teleport/lifecycle.ts';
import { suspendVm, wakeVm } from '../../teleport/suspend.ts';
import { answerBytes, answerJson } from '../answers.ts';
import { answerEvents } from '../event-stream.ts';
import { requirePorts } from '../ports.ts';
import { readBody } from '../requests.ts';
import { parameter } from '../room.ts';
import { viewCaptured, viewVm } from '../views.ts';
import type { Room } from '../room.ts';

export const lifeRoom: Room<'vmStart' | 'vmPause' | 'vmResume' | 'vmSuspend' | 'vmStop' | 'vmLogs'> = (
  supervisor,
) => {
  const { host, registry } = supervisor;
  return {
    vmStart: async (request, parameters) => {
      const vm = registry.require(parameter(parameters, 'vm'));
      return answerEvents(supervisor, routes.vmStart, request, (options) =>
        supervisor.operate(vm.id, `start "${vm.name}"`, async () => {
          await requirePorts(supervisor, vm.record.config.publish, vm.id);
          const { timings } = await startVm(host, registry, vm, options);
          return { vm: viewVm(supervisor, vm), timings };
        }),
      );
    },

    vmPause: async (_request, parameters) => {
      const vm = registry.require(parameter(parameters, 'vm'));
      await supervisor.operate(vm.id, `pause "${vm.name}"`, () => vm.requireLive('pause').pause());
      return answerJson(routes.vmPause, viewVm(supervisor, vm));
    },

    vmResume: async (request, parameters) => {
      const vm = registry.require(parameter(parameters, 'vm'));
      return answerEvents(supervisor, routes.vmResume, request, async (options) => {
        await supervisor.operate(vm.id, `resume "${vm.name}"`, async () => {
          if (!vm.isLive) await requirePorts(supervisor, vm.record.config.publish, vm.id);
          await wakeVm(host, registry, vm, options);
        });
        return viewVm(supervisor, vm);
      });
    },

    vmSuspend: async (request, parameters) => {
      const { message } = await readBody(request, snapshotCreate);
      const vm = registry.require(parameter(parameters, 'vm'));
      return answerEvents(supervisor, routes.vmSuspend, request, (options) =>
        supervisor.operate(vm.id, `suspend "${vm.name}"`, async () =>
          viewCaptured(await suspendVm(host, registry, vm, message, options)),
        ),
      );
    },

    vmStop: async (request, parameters) => {
      const { force } = await readBody(request, vmStop);
      const vm = registry.require(parameter(parameters, 'vm'));
      await supervisor.operate(vm.id, `stop "${vm.name}"`, () => stopVm(host, registry, vm, force));
      return answerJson(routes.vmStop, viewVm(supervisor, vm));
    },

    vmLogs: async (_request, parameters) => {
      const vm = registry.require(parameter(parameters, 'vm'));
      const console = vm.instance === null ? new Uint8Array(0) : await vm.instance.console();
      return answerBytes('text/plain; charset=utf-8', once(console));
    },
  };
};

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.byteLength > 0) yield bytes;
}
