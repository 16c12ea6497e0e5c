/** A checkpoint is restored as a new VM: what of it may be chosen, and what this host adds. */
import { KelpieError } from '../base/errors.ts';
import { originMetadata } from '../teleport/fetch-checkpoint.ts';
import type { CheckpointOrigin } from '../teleport/fetch-checkpoint.ts';
import { restoreCheckpoint } from '../teleport/restore-checkpoint.ts';
import { planVm } from './plan-vm.ts';
import { viewVm } from './views.ts';
import type { NewMachine, Restored, RestoreFromStore } from './api/snapshots.ts';
import type { PortForward } from '../snapshot/metadata.ts';
import type { OperationOptions } from '../teleport/source.ts';
import type { Supervisor } from './supervisor.ts';

export interface AsNew {
  /** Null: the name that its VM had. */
  readonly name: string | null;
  readonly publish: readonly PortForward[] | null;
  readonly machine: NewMachine;
}

/** @throws KelpieError `name_taken`, `image_not_found`, `image_incompatible`, `port_taken`, and as `restoreCheckpoint`. */
export async function restoreAsNew(
  supervisor: Supervisor,
  origin: CheckpointOrigin,
  asked: AsNew,
  options: OperationOptions,
): Promise<Restored> {
  const { host, registry } = supervisor;
  const { config } = originMetadata(origin);
  const name = asked.name ?? config.name;
  return supervisor.operate(`name:${name}`, `restore "${name}"`, async () => {
    registry.requireFreeName(name);
    const { architecture = host.env.host.architecture, memoryMib, diskMib } = asked.machine;
    const [major, minor] = config.image.version.split('.');
    const plan = await planVm(supervisor, {
      name,
      architecture,
      // What its applications rely on: the same release, built for this architecture.
      image: `${config.image.name}@${major}.${minor}`,
      vcpuCount: config.vcpuCount,
      memoryMib: memoryMib ?? config.memoryMib,
      diskMib: diskMib ?? config.diskMib,
      portability: config.portability,
      publish: asked.publish ?? config.publish,
    });
    return supervisor.operate(plan.id, `restore "${name}"`, () =>
      whileDownloading(supervisor, origin, async () => {
        const { vm, timings, downloadedBytes } = await restoreCheckpoint(
          host,
          registry,
          origin,
          plan,
          options,
        );
        return { vm: viewVm(supervisor, vm), timings, downloadedBytes };
      }),
    );
  });
}

/** Of one package there is one download at a time. */
async function whileDownloading<T>(
  supervisor: Supervisor,
  origin: CheckpointOrigin,
  act: () => Promise<T>,
): Promise<T> {
  if (origin.kind === 'local') return act();
  const { id } = origin.open.package;
  return supervisor.operate(`package:${id}`, `restore package ${id.slice(0, 12)}`, act);
}

/** @throws KelpieError `invalid_argument` when something is chosen that running memory does not leave open. */
export function requireSameMachine({ machine, name, storeUrl }: Partial<RestoreFromStore>): void {
  const isChosen = machine !== undefined && Object.keys(machine).length > 0;
  if (!isChosen && (name === undefined || storeUrl !== undefined)) return;
  throw new KelpieError(
    'invalid_argument',
    `${isChosen ? 'its architecture, memory and disk' : 'its name'} can be chosen for a checkpoint only: what goes on with its running memory keeps them.`,
  );
}
