/**
 * What was configured, and what of it can be refused at once: files that do not open, a second root device, a size that does
 * not fit. It becomes a machine with `InstanceStart`, or comes out of a snapshot's state file.
 */
import { Fault, osError } from './fault.ts';
import { flag, integer, optionalText, text } from './fields.ts';
import type { Members } from './fields.ts';
import { changeMachineConfig, describeMachineConfig, machineConfigDefault } from './machine-config.ts';
import type { MachineConfig } from './machine-config.ts';
import type { Paths } from './platform.ts';

/** Devices as the requests described them, which is also how `/vm/config` and the state file tell them. */
export interface Devices {
  /** The root device first, the others in the order in which they came. */
  readonly drives: readonly Members[];
  readonly networkInterfaces: readonly Members[];
  readonly vsock: Members | null;
  readonly balloon: Members | null;
  readonly entropy: Members | null;
}

export class Resources {
  readonly #paths: Paths;
  machine: MachineConfig = machineConfigDefault;
  bootSource: Members | null = null;
  cpuConfig: Members | null = null;
  serialPath: string | null = null;
  devices: Devices = { drives: [], networkInterfaces: [], vsock: null, balloon: null, entropy: null };
  mmdsConfig: Members | null = null;

  constructor(paths: Paths) {
    this.#paths = paths;
  }

  setMachine(change: Members, base: MachineConfig): void {
    const machine = changeMachineConfig(base, change);
    const { balloon } = this.devices;
    if (balloon !== null && integer(balloon, 'amount_mib') > machine.memoryMib) {
      throw new Fault(
        'Machine config error: The memory size (MiB) is smaller than the previously set balloon device target size.',
      );
    }
    this.machine = machine;
  }

  setBootSource(source: Members): void {
    this.#open(
      text(source, 'kernel_image_path'),
      'r',
      'Boot source error: The kernel file cannot be opened: ',
    );
    const initrd = optionalText(source, 'initrd_path');
    if (initrd !== null) {
      const what = 'The initrd file cannot be opened due to invalid path or invalid permissions. ';
      this.#open(initrd, 'r', `Boot source error: ${what}`);
    }
    this.bootSource = source;
  }

  setDrive(drive: Members): void {
    const id = text(drive, 'drive_id');
    const path = optionalText(drive, 'path_on_host');
    if (path === null || typeof drive['is_read_only'] !== 'boolean') {
      throw new Fault('Drive config error: Unable to create the virtio block device: Invalid block config.');
    }
    const others = this.devices.drives.filter((other) => text(other, 'drive_id') !== id);
    const isRoot = flag(drive, 'is_root_device');
    if (isRoot && others.some((other) => flag(other, 'is_root_device'))) {
      throw new Fault('Drive config error: A root block device already exists!');
    }
    assertDriveOpens(drive, this.#paths, 'Drive config error: Unable to create the virtio block device: ');
    const index = this.devices.drives.findIndex((other) => text(other, 'drive_id') === id);
    const drives = isRoot
      ? [drive, ...others]
      : index === -1
        ? [...others, drive]
        : this.devices.drives.with(index, drive);
    this.devices = { ...this.devices, drives };
  }

  setNetworkInterface(net: Members): void {
    const id = text(net, 'iface_id');
    const mac = optionalText(net, 'guest_mac');
    const others = this.devices.networkInterfaces.filter((other) => text(other, 'iface_id') !== id);
    if (mac !== null && others.some((other) => optionalText(other, 'guest_mac') === mac)) {
      throw new Fault(`Network config error: The MAC address is already in use: ${mac}`);
    }
    this.devices = { ...this.devices, networkInterfaces: [...others, net] };
  }

  setBalloon(balloon: Members): void {
    if (integer(balloon, 'amount_mib') > this.machine.memoryMib) {
      throw new Fault('Balloon config error: Amount of pages requested is too large.');
    }
    this.devices = { ...this.devices, balloon };
  }

  setEntropy(entropy: Members): void {
    this.devices = { ...this.devices, entropy };
  }

  setCpu(config: Members): void {
    this.cpuConfig = config;
  }

  setSerial(serial: Members): void {
    this.serialPath = optionalText(serial, 'serial_out_path');
  }

  setMmdsConfig(config: Members): void {
    const interfaces = config['network_interfaces'];
    const ids = this.devices.networkInterfaces.map((net) => text(net, 'iface_id'));
    if (!Array.isArray(interfaces) || interfaces.length === 0) {
      throw new Fault(
        'MMMDS config error: The list of network interface IDs that allow forwarding MMDS requests is empty.',
      );
    }
    if (!interfaces.every((id) => ids.includes(String(id)))) {
      throw new Fault(
        'MMMDS config error: The list of network interface IDs provided contains at least one ID that does not correspond to any existing network interface.',
      );
    }
    this.mmdsConfig = config;
  }

  /** `/vm/config`, in the words of the requests. */
  describe(): Members {
    const { drives, networkInterfaces, vsock, balloon, entropy } = this.devices;
    return {
      balloon,
      drives,
      'boot-source': this.bootSource ?? { kernel_image_path: '', initrd_path: null },
      'cpu-config': this.cpuConfig,
      logger: null,
      'machine-config': describeMachineConfig(this.machine),
      metrics: null,
      'memory-hotplug': null,
      'mmds-config': this.mmdsConfig,
      'network-interfaces': networkInterfaces,
      pmem: [],
      vsock,
      entropy,
    };
  }

  #open(path: string, mode: 'r' | 'rw', failure: string): void {
    try {
      this.#paths.assertMayOpen(path, mode);
    } catch (error) {
      throw new Fault(failure + osError(error));
    }
  }
}

/** What is not ELF does not boot. */
export function kernelFault(): Fault {
  return new Fault(
    'Start microvm error: System configuration error: Cannot load kernel due to invalid memory configuration or invalid kernel image: Kernel Loader: failed to load ELF kernel image: Invalid ELF magic number',
  );
}

/** @throws Fault when the file behind a drive cannot be opened as the drive wants it. */
export function assertDriveOpens(drive: Members, paths: Paths, failure: string): void {
  const path = text(drive, 'path_on_host');
  try {
    paths.assertMayOpen(path, flag(drive, 'is_read_only') ? 'r' : 'rw');
  } catch (error) {
    throw new Fault(
      `${failure}Virtio backend error: Error manipulating the backing file: ${osError(error)} ${path}`,
    );
  }
}
