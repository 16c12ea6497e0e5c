/** What a state file says of the machine besides QEMU's device state, and what a load may say differently. */
import { isMembers } from './api/check-body.ts';
import { Fault } from './fault.ts';
import { flag, list, optionalMembers, text } from './fields.ts';
import type { Members } from './fields.ts';
import { changeMachineConfig, describeMachineConfig, machineConfigDefault } from './machine-config.ts';
import type { MachineConfig } from './machine-config.ts';
import type { Devices } from './resources.ts';

export interface SnapshotConfiguration {
  readonly machine: MachineConfig;
  readonly devices: Devices;
  readonly mmdsConfig: Members | null;
  /** Whether the guest's agent had its port open, which QEMU does not tell again. */
  readonly isAgentListening: boolean;
}

export function encodeConfiguration(configuration: SnapshotConfiguration): Members {
  const { machine, devices, mmdsConfig, isAgentListening } = configuration;
  return { machine: describeMachineConfig(machine), devices, mmdsConfig, isAgentListening };
}

/** @throws Error when the file's sum was right and its content is not: a mistake of the stand-in. */
export function decodeConfiguration(value: unknown): SnapshotConfiguration {
  if (!isMembers(value)) throw new Error('the configuration in a state file is an object');
  const machine = optionalMembers(value, 'machine') ?? {};
  const devices = optionalMembers(value, 'devices') ?? {};
  return {
    machine: changeMachineConfig(machineConfigDefault, machine),
    devices: {
      drives: list(devices, 'drives'),
      networkInterfaces: list(devices, 'networkInterfaces'),
      vsock: optionalMembers(devices, 'vsock'),
      balloon: optionalMembers(devices, 'balloon'),
      entropy: optionalMembers(devices, 'entropy'),
    },
    mmdsConfig: optionalMembers(value, 'mmdsConfig'),
    isAgentListening: flag(value, 'isAgentListening'),
  };
}

/** @throws Fault when an override names a device that the snapshot has not. */
export function overrideDevices(devices: Devices, request: Members): Devices {
  let { networkInterfaces, vsock } = devices;
  for (const override of list(request, 'network_overrides')) {
    const id = text(override, 'iface_id');
    const index = networkInterfaces.findIndex((net) => text(net, 'iface_id') === id);
    const net = networkInterfaces[index];
    if (net === undefined) throw overrideFault('Unknown Network Device.');
    networkInterfaces = networkInterfaces.with(index, {
      ...net,
      host_dev_name: text(override, 'host_dev_name'),
    });
  }
  const vsockOverride = optionalMembers(request, 'vsock_override');
  if (vsockOverride !== null) {
    if (vsock === null) throw overrideFault('Unknown Vsock Device.');
    vsock = { ...vsock, uds_path: text(vsockOverride, 'uds_path') };
  }
  return { ...devices, networkInterfaces, vsock };
}

function overrideFault(what: string): Fault {
  return loadFault(`Failed to get snapshot state from file: ${what}`);
}

/** A load that failed: the process ends once it has said so. */
export function loadFault(what: string): Fault {
  return new Fault(`Load snapshot error: Failed to restore from snapshot: ${what}`, { isFatal: true });
}
