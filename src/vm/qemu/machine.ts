/** Which machine a VM gets, and whether this host's QEMU can run a recorded one. */
import { KelpieError } from '../../base/errors.ts';
import type { Accelerator, BackendFacts } from '../../snapshot/compatibility/facts.ts';
import type { Architecture, MachineFacts, VmConfig } from '../../snapshot/metadata.ts';
import { DEVICE_LAYOUT } from './command-line.ts';

type CpuModels = Readonly<Partial<Record<Accelerator, readonly string[]>>>;

/** What one QEMU program can do. */
export interface QemuAbilities {
  readonly program: string;
  /** `7.2.22 (Debian …)` */
  readonly version: string;
  readonly machineTypes: readonly string[];
  /** Those that guests can be given, by accelerator. */
  readonly cpuModels: CpuModels;
  readonly commands: readonly string[];
  /** A guest really ran under it; `tcg` otherwise. */
  readonly accelerator: MachineFacts['accelerator'];
}

/** Never an alias: `q35` means another machine in each version of QEMU, and strands snapshots. */
const machineFamilies: Readonly<
  Record<Architecture, { readonly preferred: string; readonly pattern: RegExp }>
> = {
  x86_64: { preferred: 'pc-q35-7.2', pattern: /^pc-q35-(\d+)\.(\d+)$/ },
  arm64: { preferred: 'virt-7.2', pattern: /^virt-(\d+)\.(\d+)$/ },
};

/** The oldest CPU that what runs in guests still supports, with a version: its features never change. */
const baselineCpuModels: Readonly<Record<Architecture, string>> = {
  x86_64: 'Nehalem-v1',
  arm64: 'cortex-a72',
};

/**
 * The machine for a new VM.
 * @throws KelpieError `backend_unavailable` when this QEMU has no machine type with a version.
 */
export function chooseMachine(config: VmConfig, abilities: QemuAbilities): MachineFacts {
  const accelerator = chooseAccelerator(config, abilities.accelerator);
  const isPassedThrough = config.portability === 'host' && accelerator !== 'tcg';
  return {
    backend: 'qemu',
    backendVersion: abilities.version,
    machineType: chooseMachineType(config.architecture, abilities),
    cpuModel: isPassedThrough ? 'host' : baselineCpuModels[config.architecture],
    accelerator,
    deviceLayout: DEVICE_LAYOUT,
  };
}

/** What it says of itself to the check of compatibility. */
export function factsOf(abilities: QemuAbilities, architecture: Architecture): BackendFacts {
  const { version, accelerator, machineTypes, cpuModels } = abilities;
  return {
    name: 'qemu',
    architecture,
    version,
    accelerators: accelerator === 'tcg' || accelerator === 'none' ? ['tcg'] : ['tcg', accelerator],
    machineTypes,
    cpuModels,
    deviceLayouts: [DEVICE_LAYOUT],
  };
}

/** `any` must run where there is no hardware help; a named arm64 CPU exists only in emulation. */
function chooseAccelerator(config: VmConfig, best: MachineFacts['accelerator']): MachineFacts['accelerator'] {
  if (config.portability === 'any') return 'tcg';
  return config.portability === 'arch' && config.architecture === 'arm64' ? 'tcg' : best;
}

function chooseMachineType(architecture: Architecture, abilities: QemuAbilities): string {
  const { preferred, pattern } = machineFamilies[architecture];
  if (abilities.machineTypes.includes(preferred)) return preferred;
  const versioned = abilities.machineTypes
    .flatMap((name) => {
      const [, major, minor] = pattern.exec(name) ?? [];
      return major === undefined || minor === undefined
        ? []
        : [{ name, order: Number(major) * 1000 + Number(minor) }];
    })
    .toSorted((a, b) => b.order - a.order);
  const [newest] = versioned;
  if (newest === undefined) {
    throw new KelpieError(
      'backend_unavailable',
      `${abilities.program} ${abilities.version} has no machine type with a version; install QEMU 7.2 or newer.`,
    );
  }
  return newest.name;
}

/**
 * Every reason why this host's QEMU cannot go on with a recorded machine, at once.
 * @throws KelpieError `restore_incompatible` with `reasons`.
 */
export function assertCanRun(
  machine: MachineFacts,
  architecture: Architecture,
  abilities: QemuAbilities,
): void {
  const { machineType, cpuModel, accelerator } = machine;
  const reasons: string[] = [];
  if (machine.backend !== 'qemu') reasons.push(`it ran on ${machine.backend}, not on qemu`);
  if (machine.deviceLayout !== DEVICE_LAYOUT) {
    reasons.push(
      `it has device layout ${machine.deviceLayout}, this version of Kelpie knows ${DEVICE_LAYOUT}`,
    );
  }
  if (
    !machineFamilies[architecture].pattern.test(machineType) ||
    !abilities.machineTypes.includes(machineType)
  ) {
    reasons.push(`this QEMU (${abilities.version}) does not have the machine type ${machineType}`);
  }
  if (accelerator !== 'tcg' && accelerator !== abilities.accelerator) {
    reasons.push(`it ran with ${accelerator}, which does not work on this host`);
  }
  const models = accelerator === 'none' ? [] : (abilities.cpuModels[accelerator] ?? []);
  if (!models.includes(cpuModel)) {
    reasons.push(`this QEMU does not have the CPU model ${cpuModel} with ${accelerator}`);
  }
  if (reasons.length === 0) return;
  throw new KelpieError(
    'restore_incompatible',
    `this host cannot go on with the VM: ${reasons.join('; ')}.`,
    {
      data: { reasons },
    },
  );
}
