/**
 * The machine as a command line of QEMU: virtio-mmio devices on the `microvm` machine, which is QEMU's likeness of Firecracker's.
 * Which device is on which bus follows from the configuration alone, so that a snapshot finds its devices again.
 */
import { flag, integer, optionalText, text } from '../../src/sim/firecracker/fields.ts';
import type { Members } from '../../src/sim/firecracker/fields.ts';
import type { MachineConfig } from '../../src/sim/firecracker/machine-config.ts';
import type { Start } from '../../src/sim/firecracker/platform.ts';
import type { Devices } from '../../src/sim/firecracker/resources.ts';

/** The names of QEMU's sockets, in the abstract name space: they leave no file behind. */
export interface SocketNames {
  readonly control: string;
  readonly agent: string;
}

export interface QemuLine {
  readonly qemu: string;
  readonly machine: MachineConfig;
  readonly devices: Devices;
  /** With paths that the process can open. */
  readonly start: Start;
  /** Null: standard output, as Firecracker's. */
  readonly serialPath: string | null;
  readonly sockets: SocketNames;
  readonly hostPath: (path: string) => string;
}

const BUSES = 24;
/** The name under which the guest agent looks for its port. */
const AGENT_PORT = 'dev.kelpie.agent.0';
export const AGENT_PORT_ID = 'agent-port';
export const BALLOON_ID = 'balloon';
const BOOT_ARGUMENTS_DEFAULT =
  'reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd swiotlb=noforce';
/**
 * What an emulated processor needs: its counter has no clock to be measured against, which costs seconds at boot, and ticks
 * as the host's does, so it is not to be trusted; and it does not speculate.
 */
const EMULATED_WORDS = 'tsc_early_khz=2000000 tsc=unstable mitigations=off';

export function qemuLine(line: QemuLine): readonly string[] {
  const { machine, start, sockets } = line;
  const memory = `${machine.memoryMib}M`;
  return [
    line.qemu,
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-S'],
    ...['-machine', 'microvm,memory-backend=ram,mem-merge=off,dump-guest-core=off,suppress-vmdesc=on'],
    ...['-accel', 'tcg,thread=multi', '-cpu', 'Nehalem-v1'],
    ...['-smp', String(machine.vcpuCount), '-m', memory],
    ...['-object', memoryBackend(memory, start)],
    // A state saved without RAM has no configuration section to check.
    ...['-global', 'migration.send-configuration=off'],
    ...['-action', 'reboot=shutdown,shutdown=poweroff,panic=none'],
    ...['-chardev', `socket,id=control,path=${sockets.control},abstract=on,server=on,wait=off`],
    ...['-mon', 'chardev=control,mode=control'],
    ...['-chardev', serial(line.serialPath), '-serial', 'chardev:serial'],
    // For SendCtrlAltDel, and for guests that reset themselves with it (`reboot=k`).
    ...['-device', 'i8042'],
    ...deviceArguments(line),
    ...startArguments(line),
  ];
}

/** Firecracker's memory: anonymous at boot, the snapshot's file mapped privately after a load. */
function memoryBackend(size: string, start: Start): string {
  if (start.kind === 'boot') return `memory-backend-ram,id=ram,size=${size}`;
  return `memory-backend-file,id=ram,size=${size},share=off,mem-path=${escape(start.memoryPath)}`;
}

function serial(path: string | null): string {
  return path === null ? 'stdio,id=serial,signal=off' : `file,id=serial,path=${escape(path)}`;
}

/** The guest finds the highest bus first. */
function deviceArguments(line: QemuLine): readonly string[] {
  const words: string[] = [];
  let bus = BUSES;
  const attach = (driver: string): void => {
    bus -= 1;
    words.push('-device', `${driver},bus=virtio-mmio-bus.${bus}`);
  };
  const { drives, networkInterfaces, vsock, balloon, entropy } = line.devices;
  for (const drive of drives) {
    words.push('-blockdev', JSON.stringify(blockNode(drive, line.hostPath)));
    attach(`virtio-blk-device,id=${driveNode(drive)}-device,drive=${driveNode(drive)}`);
  }
  if (vsock !== null) {
    attach('virtio-serial-device,id=serial-bus');
    words.push(
      '-chardev',
      `socket,id=agent,path=${line.sockets.agent},abstract=on,server=on,wait=off`,
      '-device',
      `virtserialport,bus=serial-bus.0,nr=1,chardev=agent,name=${AGENT_PORT},id=${AGENT_PORT_ID}`,
    );
  }
  for (const net of networkInterfaces) {
    const id = `net-${text(net, 'iface_id')}`;
    const mac = optionalText(net, 'guest_mac');
    words.push('-netdev', `tap,id=${id},ifname=${text(net, 'host_dev_name')},script=no,downscript=no`);
    attach(`virtio-net-device,netdev=${id}${mac === null ? '' : `,mac=${mac}`}`);
  }
  if (balloon !== null) {
    attach(`virtio-balloon-device,id=${BALLOON_ID},deflate-on-oom=${onOff(balloon, 'deflate_on_oom')}`);
  }
  if (entropy !== null) {
    words.push('-object', 'rng-builtin,id=random');
    attach('virtio-rng-device,rng=random');
  }
  return words;
}

/** The name of QEMU's node for a drive. */
export function driveNode(drive: Members): string {
  return `drive-${text(drive, 'drive_id')}`;
}

function blockNode(drive: Members, hostPath: (path: string) => string): object {
  return {
    driver: 'raw',
    'node-name': driveNode(drive),
    'read-only': flag(drive, 'is_read_only'),
    file: fileNode(drive, hostPath(text(drive, 'path_on_host'))),
  };
}

/** Firecracker does not lock: a VM and one that was loaded from its snapshot may have the same file open. */
export function fileNode(drive: Members, path: string): Readonly<Record<string, unknown>> {
  return {
    driver: 'file',
    filename: path,
    locking: 'off',
    'read-only': flag(drive, 'is_read_only'),
  };
}

function startArguments({ start, devices }: QemuLine): readonly string[] {
  if (start.kind === 'load') return ['-incoming', 'defer'];
  const words = [start.bootArguments ?? BOOT_ARGUMENTS_DEFAULT, EMULATED_WORDS];
  const root = devices.drives.find((drive) => flag(drive, 'is_root_device'));
  if (root !== undefined) {
    const partition = optionalText(root, 'partuuid');
    words.push(`root=${partition === null ? '/dev/vda' : `PARTUUID=${partition}`}`);
    words.push(flag(root, 'is_read_only') ? 'ro' : 'rw');
  }
  const initrd = start.initrd === null ? [] : ['-initrd', start.initrd];
  return ['-kernel', start.kernel, ...initrd, '-append', words.join(' ')];
}

function onOff(members: Members, name: string): string {
  return flag(members, name) ? 'on' : 'off';
}

/** A comma in a value is doubled. */
function escape(value: string): string {
  return value.replaceAll(',', ',,');
}

/** The target of a balloon, in bytes of memory that the guest keeps. */
export function balloonTarget(machine: MachineConfig, balloon: Members): number {
  return (machine.memoryMib - integer(balloon, 'amount_mib')) * 2 ** 20;
}
