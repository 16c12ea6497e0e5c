/**
 * Whether a snapshot can run on a host, decided before anything is moved or touched. Pure: facts in, every reason at once out.
 *
 * What must match and why: device state is QEMU's own format per machine type and device layout; a guest that saw a CPU feature keeps using
 * it; an image gives the read-only root file system that the guest has mapped.
 */
import { KelpieError } from '../base/errors.ts';
import type { ErrorCode } from '../base/error-codes.ts';
import type { Architecture, MachineFacts, SnapshotMetadata } from '../snapshot/metadata.ts';

/** What a host can run, as its backend tells. */
export interface HostAbilities {
  readonly architecture: Architecture;
  readonly architectures: readonly Architecture[];
  readonly backend: MachineFacts['backend'];
  readonly backendVersion: string;
  readonly accelerator: MachineFacts['accelerator'];
  /** Null: the backend cannot tell, and the load itself will. */
  readonly machineTypes: readonly string[] | null;
  readonly cpuModels: readonly string[] | null;
}

export interface Compatibility {
  /** Each a sentence: what differs, and what would work instead. Empty: it can run. */
  readonly reasons: readonly string[];
  /** Worth telling, no hindrance. */
  readonly notices: readonly string[];
}

/** Every reason why `metadata` cannot run on a host with these abilities. */
export function checkCompatibility(metadata: SnapshotMetadata, host: HostAbilities): Compatibility {
  const { config, machine } = metadata;
  const reasons: string[] = [];
  const notices: string[] = [];
  if (!host.architectures.includes(config.architecture)) {
    reasons.push(
      `it is a VM for ${config.architecture} and this host's ${host.backend} runs ${host.architectures.join(', ') || 'none'}: restore it on a ${config.architecture} host.`,
    );
  }
  if (config.portability !== 'any' && config.architecture !== host.architecture) {
    reasons.push(
      `its portability is "${config.portability}" and this host is ${host.architecture}: only VMs of portability "any" cross architectures.`,
    );
  }
  if (machine.backend !== host.backend) {
    reasons.push(
      `it was run by ${machine.backend} and this host has ${host.backend}: restore it where ${machine.backend} is.`,
    );
  } else if (machine.backendVersion !== host.backendVersion) {
    notices.push(
      `it was run by ${machine.backend} ${machine.backendVersion}, this host has ${host.backendVersion}.`,
    );
  }
  if (host.machineTypes !== null && !host.machineTypes.includes(machine.machineType)) {
    reasons.push(
      `this host's ${host.backend} ${host.backendVersion} has no machine type ${machine.machineType}: use a version that has it.`,
    );
  }
  reasons.push(...cpuReasons(machine, host));
  return { reasons, notices };
}

function cpuReasons(machine: MachineFacts, host: HostAbilities): readonly string[] {
  const reasons: string[] = [];
  if (host.cpuModels !== null && machine.cpuModel !== 'host' && !host.cpuModels.includes(machine.cpuModel)) {
    reasons.push(
      `this host's ${host.backend} does not know the CPU model ${machine.cpuModel}: use a version that does.`,
    );
  }
  if (machine.accelerator === 'kvm' && host.accelerator === 'tcg') {
    reasons.push(
      'it ran under KVM and uses features of it that emulation lacks: restore it on a host with a usable /dev/kvm.',
    );
  }
  if (machine.accelerator === 'hvf' && host.accelerator !== 'hvf') {
    reasons.push('it ran under Apple’s hypervisor: restore it on a Mac.');
  }
  if (machine.cpuModel === 'host' && host.accelerator !== machine.accelerator) {
    reasons.push(
      'it was given the CPU of its host as it is: only a host with the same CPU and accelerator can go on with it.',
    );
  }
  return reasons;
}

/** The one error for all reasons together. */
export function incompatible(
  vmName: string,
  reasons: readonly string[],
  code: ErrorCode = 'restore_incompatible',
): KelpieError {
  return new KelpieError(code, `cannot restore "${vmName}" here: ${reasons.join(' Also, ')}`, {
    data: { reasons },
  });
}
