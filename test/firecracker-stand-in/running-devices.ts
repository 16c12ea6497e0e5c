/** Requests about devices of a machine that runs. */
import { Fault } from '../../src/sim/firecracker/fault.ts';
import { flag, integer, optionalInteger, optionalText, text } from '../../src/sim/firecracker/fields.ts';
import type { Members } from '../../src/sim/firecracker/fields.ts';
import type { Instance } from '../../src/sim/firecracker/instance.ts';
import { hostPath } from './paths.ts';
import type { StandInMachine } from './platform.ts';
import { balloonTarget, driveNode, fileNode } from './qemu-arguments.ts';
import { assertDriveOpens } from '../../src/sim/firecracker/resources.ts';
import type { Paths } from '../../src/sim/firecracker/platform.ts';
import type { Jail } from './settings.ts';
import { MIB, PAGE_BYTES } from '../../src/base/units.ts';

export function readBalloon({ resources }: Instance<StandInMachine>): Members {
  const { balloon } = resources.devices;
  if (balloon === null) throw new Fault('Balloon config error: No balloon device found.');
  return { stats_polling_interval_s: 0, ...balloon };
}

export async function patchBalloon(instance: Instance<StandInMachine>, amountMib: number): Promise<void> {
  const { qemu } = instance.requireStarted();
  const { devices, machine: config } = instance.resources;
  if (devices.balloon === null)
    throw new Fault('Balloon update error: Failed perform action on device: DeviceNotFound');
  if (amountMib > config.memoryMib)
    throw new Fault('Balloon update error: Balloon: Amount of pages requested cannot fit in `u32`.');
  const balloon = { ...devices.balloon, amount_mib: amountMib };
  instance.resources.devices = { ...devices, balloon };
  await qemu.setBalloon(balloonTarget(config, balloon));
}

export async function readBalloonStatistics(instance: Instance<StandInMachine>): Promise<Members> {
  const { qemu } = instance.requireStarted();
  const { balloon } = instance.resources.devices;
  if (balloon === null || (optionalInteger(balloon, 'stats_polling_interval_s') ?? 0) === 0) {
    throw new Fault('Internal VMM error: Balloon: Statistics for the balloon device are not enabled');
  }
  const targetMib = integer(balloon, 'amount_mib');
  const actualBytes = instance.resources.machine.memoryMib * MIB - (await qemu.balloonBytes());
  return {
    target_pages: (targetMib * MIB) / PAGE_BYTES,
    actual_pages: actualBytes / PAGE_BYTES,
    target_mib: targetMib,
    actual_mib: Math.floor(actualBytes / MIB),
  };
}

/** Another file behind a drive; new rate limits are taken and not kept. */
export async function patchDrive(
  instance: Instance<StandInMachine>,
  change: Members,
  { paths, jail }: { readonly paths: Paths; readonly jail: Jail | null },
): Promise<void> {
  const { qemu } = instance.requireStarted();
  const { devices } = instance.resources;
  const id = text(change, 'drive_id');
  const index = devices.drives.findIndex((drive) => text(drive, 'drive_id') === id);
  const before = devices.drives[index];
  const failure = 'Drive config error: Unable to patch the block device: ';
  if (before === undefined)
    throw new Fault(
      `${failure}Failed perform action on device: DeviceNotFound Please verify the request arguments.`,
    );
  const path = optionalText(change, 'path_on_host');
  if (path === null) return;
  const drive = { ...before, path_on_host: path };
  assertDriveOpens(drive, paths, `${failure}Block: `);
  await qemu.replaceFile(
    driveNode(drive),
    flag(drive, 'is_read_only'),
    fileNode(drive, hostPath(path, jail)),
  );
  instance.resources.devices = { ...devices, drives: devices.drives.with(index, drive) };
}
