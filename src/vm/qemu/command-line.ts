/**
 * QEMU's command line for device layout 1. A snapshot can only be loaded into the same devices at the same places, so
 * what is here never changes: a different machine is a new layout with a number of its own, beside this one.
 *
 *   pcie.0  2 root disk   3 data disk   4 serial bus with the agent's port   5 random numbers   6 network
 */
import { defined } from '../../base/assert.ts';
import type { Architecture, MachineFacts, VmConfig } from '../../snapshot/metadata.ts';
import type { VmPlaces } from '../instance.ts';
import { CONSOLE_BYTES_MAX } from '../limits.ts';
import { runFiles } from './run-files.ts';

export const DEVICE_LAYOUT = 1;

/** Ids that commands and the tests use. */
export const DATA_DEVICE = 'data';
export const CONSOLE_CHARDEV = 'console';
/** The name under which the guest finds the port (`docs/PROTOCOL.md`). */
const AGENT_PORT = 'dev.kelpie.agent.0';

export interface DiskFile {
  /** The name of QEMU's node for it. */
  readonly node: string;
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
}

export interface CommandLine {
  readonly machine: MachineFacts;
  readonly config: VmConfig;
  readonly places: VmPlaces;
  /** A file of the memory's size, which is mapped privately and never written to. */
  readonly memoryPath: string;
  /** Bottom first; only the last one is written to. */
  readonly disk: readonly DiskFile[];
  /** Boot the image's kernel, or wait for a device state. Either way no instruction is executed yet. */
  readonly mode: 'boot' | 'load';
  /** seccomp: Linux only. */
  readonly hasSandbox: boolean;
}

/** The program for an architecture's guests. */
export function qemuProgram(architecture: Architecture): string {
  return architecture === 'x86_64' ? 'qemu-system-x86_64' : 'qemu-system-aarch64';
}

export function qemuArguments(line: CommandLine): readonly string[] {
  const { config, machine, places } = line;
  const files = runFiles(places.runDirectory);
  const memory = `${config.memoryMib}M`;
  return [
    ...['-name', option({ '': 'kelpie', 'debug-threads': 'on' })],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-S', '-msg', 'timestamp=on'],
    ...['-machine', machineOption(config.architecture, machine)],
    ...['-accel', acceleratorOption(config, machine)],
    ...['-cpu', machine.cpuModel, '-smp', String(config.vcpuCount), '-m', memory],
    ...[
      '-object',
      option({
        '': 'memory-backend-file',
        id: 'ram',
        size: memory,
        'mem-path': line.memoryPath,
        share: 'off',
      }),
    ],
    // A state saved without RAM has no configuration section to check.
    ...['-global', 'migration.send-configuration=off'],
    // Nobody on a user-mode network must learn where the guest is now; telling it costs the guest a tenth of its first 100 ms.
    ...['-global', 'migration.announce-rounds=0'],
    // A restored VM's firmware area is empty, so a reset must never reach it; and a VM that is done keeps its console readable.
    ...['-action', 'reboot=shutdown,shutdown=pause,panic=pause'],
    ...(line.hasSandbox
      ? ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny']
      : []),
    ...['-chardev', option({ '': 'socket', id: 'qmp', path: files.control, server: 'on', wait: 'off' })],
    ...['-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', option({ '': 'ringbuf', id: CONSOLE_CHARDEV, size: String(CONSOLE_BYTES_MAX) })],
    ...['-serial', `chardev:${CONSOLE_CHARDEV}`],
    ...['-chardev', option({ '': 'socket', id: 'agent', path: files.agent, server: 'on', wait: 'off' })],
    ...blockOptions(line),
    ...deviceOptions(line, defined(line.disk.at(-1), 'the layer that the guest writes to').node),
    ...(line.mode === 'load' ? ['-incoming', 'defer'] : kernelOptions(config, machine, places)),
  ];
}

/** `a,b=c` as QEMU reads it: a comma in a value is doubled. The member with an empty name has no `name=`. */
export function option(members: Readonly<Record<string, string>>): string {
  return Object.entries(members)
    .map(([name, value]) => (name === '' ? '' : `${name}=`) + value.replaceAll(',', ',,'))
    .join(',');
}

function machineOption(architecture: Architecture, machine: MachineFacts): string {
  const common = {
    '': machine.machineType,
    'memory-backend': 'ram',
    // Merged pages would still count as written, but merging costs time and leaks between VMs.
    'mem-merge': 'off',
    'dump-guest-core': 'off',
    // A state saved without RAM has no description of itself at its end.
    'suppress-vmdesc': 'on',
  };
  if (architecture === 'arm64') return option({ ...common, 'gic-version': '3' });
  // Without SMM no RAM is hidden from the guest's address space; the rest are devices that nothing here uses.
  return option({ ...common, smm: 'off', vmport: 'off', sata: 'off', smbus: 'off', usb: 'off' });
}

function acceleratorOption(config: VmConfig, machine: MachineFacts): string {
  if (machine.accelerator !== 'tcg') return machine.accelerator;
  // One thread keeps x86's memory order on hosts with a weaker one.
  return `tcg,thread=${config.portability === 'any' ? 'single' : 'multi'}`;
}

function blockOptions(line: CommandLine): readonly string[] {
  const root = {
    driver: 'raw',
    'node-name': 'root',
    'read-only': true,
    file: { driver: 'file', filename: line.places.image.rootfs },
  };
  const layers = line.disk.map(({ node, path, format }, index) => {
    const below = line.disk[index - 1];
    return {
      driver: format,
      'node-name': node,
      'read-only': index < line.disk.length - 1,
      discard: 'unmap',
      file: { driver: 'file', filename: path, discard: 'unmap' },
      ...(below === undefined ? {} : { backing: below.node }),
    };
  });
  return [root, ...layers].flatMap((node) => ['-blockdev', JSON.stringify(node)]);
}

function deviceOptions({ config, machine }: CommandLine, dataNode: string): readonly string[] {
  const forwards = config.publish
    .map(({ hostPort, guestPort }) => `,hostfwd=tcp:127.0.0.1:${hostPort}-:${guestPort}`)
    .join('');
  const at = (
    address: number,
    driver: string,
    members: Readonly<Record<string, string>>,
  ): readonly string[] => [
    '-device',
    option({
      '': driver,
      bus: 'pcie.0',
      addr: `0x${address.toString(16)}`,
      'disable-legacy': 'on',
      ...members,
    }),
  ];
  return [
    ...at(2, 'virtio-blk-pci', { id: 'root', drive: 'root' }),
    ...at(3, 'virtio-blk-pci', { id: DATA_DEVICE, drive: dataNode }),
    // Its 64 queues take 13 ms to be given event descriptors each time that the VM goes on. An emulated CPU kicks them itself.
    ...at(4, 'virtio-serial-pci', {
      id: 'serial',
      ...(machine.accelerator === 'tcg' ? { ioeventfd: 'off' } : {}),
    }),
    ...[
      '-device',
      option({ '': 'virtserialport', bus: 'serial.0', nr: '1', chardev: 'agent', name: AGENT_PORT }),
    ],
    ...['-object', 'rng-builtin,id=random'],
    ...at(5, 'virtio-rng-pci', { id: 'rng', rng: 'random' }),
    ...['-netdev', `user,id=net${forwards}`],
    ...at(6, 'virtio-net-pci', { id: 'nic', netdev: 'net', romfile: '' }),
  ];
}

function kernelOptions(config: VmConfig, machine: MachineFacts, places: VmPlaces): readonly string[] {
  const { kernel, initramfs, kernelArguments } = places.image;
  const words = [
    config.architecture === 'x86_64' ? 'console=ttyS0' : 'console=ttyAMA0',
    ...kernelArguments,
    ...(machine.accelerator === 'tcg' ? emulatedWords(config.architecture) : []),
    // What the guest agent finds at the addresses above, and QEMU's user-mode network.
    ...['kelpie.root=/dev/vda', 'kelpie.data=/dev/vdb', 'kelpie.net=10.0.2.15/24,10.0.2.2,10.0.2.3'],
    `kelpie.hostname=${config.name}`,
  ];
  return ['-kernel', kernel, '-initrd', initramfs, '-append', words.join(' ')];
}

function emulatedWords(architecture: Architecture): readonly string[] {
  // An emulated CPU does not speculate: guarding against it costs a tenth of the time of every command.
  const common = ['mitigations=off'];
  // An emulated TSC ticks as the host's does, so its rate would change when the VM moves; emulated timers keep theirs.
  return architecture === 'x86_64' ? [...common, 'tsc=unstable'] : common;
}
