/** A VM leaves for a store; or for one host of it, as running memory where that can go on there, else as a checkpoint where that is allowed. */
import { askedApplication } from '../checkpoint/application.ts';
import { defined } from '../base/assert.ts';
import { toldReasons } from '../teleport/incompatible.ts';
import { TeleportOut } from '../teleport/source.ts';
import { takeCheckpoint } from '../teleport/take-checkpoint.ts';
import { cannotGoTo, prospectFor } from '../teleport/teleport-for.ts';
import { viewCheckpoint } from './view-checkpoint.ts';
import type { ManagedVm } from '../teleport/managed-vm.ts';
import type { OperationOptions } from '../teleport/source.ts';
import type { Prospect } from '../teleport/teleport-for.ts';
import type {
  HostName,
  MemoryTeleported,
  CheckpointTeleported,
  Teleport,
  Teleported,
} from './api/teleports.ts';
import type { Supervisor } from './supervisor.ts';

/** The VM's lock is held. @throws KelpieError as `prospectFor`, `TeleportOut.run` and `takeCheckpoint`; `teleport_incompatible` with all reasons, and nothing was touched. */
export async function teleportOut(
  supervisor: Supervisor,
  vm: ManagedVm,
  asked: Teleport,
  options: OperationOptions,
): Promise<Teleported> {
  const { forHost } = asked;
  if (forHost === undefined) return leave(supervisor, vm, asked, null, options);
  options.listener.progress('check');
  const prospect = await prospectFor(supervisor.host, vm, { ...asked, forHost });
  if (prospect.reasons.length === 0) {
    for (const notice of prospect.notices) options.listener.notice(notice);
    return leave(supervisor, vm, asked, nameOf(prospect), options);
  }
  if (!asked.allowCheckpoint) throw cannotGoTo(vm.name, prospect);
  return copy(supervisor, vm, asked, prospect, options);
}

async function leave(
  { host }: Supervisor,
  vm: ManagedVm,
  asked: Teleport,
  forHost: HostName | null,
  options: OperationOptions,
): Promise<MemoryTeleported> {
  const result = await new TeleportOut(host, vm, asked, options).run();
  host.tellStore(asked.storeUrl);
  return { kind: 'memory', vmId: vm.id, vmName: vm.name, forHost, ...result };
}

/** The VM goes on: a checkpoint is nobody's right (docs/adr/0110-a-checkpoint-is-a-copy.md). */
async function copy(
  { host, registry }: Supervisor,
  vm: ManagedVm,
  { storeUrl, message, application }: Teleport,
  prospect: Prospect,
  options: OperationOptions,
): Promise<CheckpointTeleported> {
  const request = {
    message,
    storeUrl,
    application: application === undefined ? null : askedApplication(application),
  };
  const checkpoint = viewCheckpoint(await takeCheckpoint(host, registry, vm, request, options), storeUrl);
  host.tellStore(storeUrl);
  const { packageId } = defined(checkpoint.published, 'the package of a checkpoint for a store');
  return {
    kind: 'checkpoint',
    vmId: vm.id,
    vmName: vm.name,
    storeUrl,
    packageId,
    timings: checkpoint.timings,
    forHost: nameOf(prospect),
    reasons: toldReasons(prospect.reasons),
    lacks: toldReasons(prospect.lacks),
    checkpoint,
  };
}

function nameOf({ target: { hostId, name } }: Prospect): HostName {
  return { id: hostId, name };
}
