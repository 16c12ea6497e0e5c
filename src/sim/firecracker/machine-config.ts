/** `/machine-config`: what it takes, what it says, and what it refuses. */
import { flag, optionalInteger, optionalText } from './fields.ts';
import type { Members } from './fields.ts';
import { Fault } from './fault.ts';

export interface MachineConfig {
  readonly vcpuCount: number;
  readonly memoryMib: number;
  readonly smt: boolean;
  readonly cpuTemplate: string | null;
  readonly trackDirtyPages: boolean;
  readonly hugePages: string;
}

export const machineConfigDefault: MachineConfig = {
  vcpuCount: 1,
  memoryMib: 128,
  smt: false,
  cpuTemplate: null,
  trackDirtyPages: false,
  hugePages: 'None',
};

const VCPUS_MAX = 32;

/** @param base what a partial change leaves as it is; the defaults for a whole one. @throws Fault when a number is none that Firecracker has. */
export function changeMachineConfig(base: MachineConfig, change: Members): MachineConfig {
  const config = {
    vcpuCount: optionalInteger(change, 'vcpu_count') ?? base.vcpuCount,
    memoryMib: optionalInteger(change, 'mem_size_mib') ?? base.memoryMib,
    smt: 'smt' in change ? flag(change, 'smt') : base.smt,
    cpuTemplate: optionalText(change, 'cpu_template') ?? base.cpuTemplate,
    trackDirtyPages: 'track_dirty_pages' in change ? flag(change, 'track_dirty_pages') : base.trackDirtyPages,
    hugePages: optionalText(change, 'huge_pages') ?? base.hugePages,
  };
  const { vcpuCount, memoryMib } = config;
  if (vcpuCount < 1 || vcpuCount > VCPUS_MAX || (config.smt && vcpuCount > 1 && vcpuCount % 2 === 1)) {
    throw new Fault(
      `Machine config error: The number of vCPUs must be greater than 0, less than ${VCPUS_MAX} and must be 1 or an even number if SMT is enabled.`,
    );
  }
  if (memoryMib === 0 || (config.hugePages === '2M' && memoryMib % 2 === 1)) {
    throw new Fault(
      'Machine config error: The memory size (MiB) is either 0, or not a multiple of the configured page size.',
    );
  }
  return config;
}

export function describeMachineConfig(config: MachineConfig): Members {
  return {
    vcpu_count: config.vcpuCount,
    mem_size_mib: config.memoryMib,
    smt: config.smt,
    ...(config.cpuTemplate === null ? {} : { cpu_template: config.cpuTemplate }),
    track_dirty_pages: config.trackDirtyPages,
    huge_pages: config.hugePages,
  };
}
