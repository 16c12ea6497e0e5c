/** The rules of `check.ts`, one function each: null when it holds, else why not and what would work instead. */
import { FIRECRACKER_LAYOUT_WITH_NETWORK } from './device-layouts.ts';
import { portabilityTable } from './portability.ts';
import type { CpuFacts, ImageReference } from '../metadata.ts';
import type { BackendFacts, HostFacts, SnapshotFacts } from './facts.ts';

export type ReasonCode =
  | 'backend'
  | 'architecture'
  | 'portability'
  | 'cpu'
  | 'cpu-model'
  | 'accelerator'
  | 'machine-type'
  | 'device-layout'
  | 'vmm-version'
  | 'kernel'
  | 'image'
  | 'same-host';

export interface Reason {
  readonly code: ReasonCode;
  /** A sentence: what differs. */
  readonly text: string;
  /** A sentence: what would work instead. */
  readonly instead: string;
}

/** Both sides, and the backend of the host that would run the guest; null when it has none for it. */
export interface Pair {
  readonly snapshot: SnapshotFacts;
  readonly host: HostFacts;
  readonly backend: BackendFacts | null;
  /** What sentences call the host: `this host`, or another by its name. */
  readonly called: string;
}

export type Rule = (pair: Pair) => Reason | null;

const CHECKPOINT = 'A checkpoint of the application crosses everything: `kelpie checkpoint`.';
const FLAGS_TOLD_MAX = 8;

export const backendRule: Rule = ({ snapshot, host, backend, called }) => {
  const { machine, architecture } = snapshot;
  if (backend !== null) return null;
  const isThere = host.backends.some(({ name }) => name === machine.backend);
  return {
    code: isThere ? 'architecture' : 'backend',
    text: isThere
      ? `${called}'s ${machine.backend} does not run ${architecture} guests.`
      : `it was run by ${machine.backend}, which ${called} does not have.`,
    instead: `Install ${machine.backend} for ${architecture} guests on ${called}, or restore it where that is. ${CHECKPOINT}`,
  };
};

/** A snapshot that says of itself what no VM of its class can be was not written by Kelpie. */
export const classRule: Rule = ({ snapshot }) => {
  const { machine, portability } = snapshot;
  if (machine.backend === 'sim') return null;
  const { accelerators, why } = portabilityTable[machine.backend][portability];
  if (machine.accelerator !== 'none' && accelerators.includes(machine.accelerator)) return null;
  return {
    code: 'portability',
    text: `it says that it is of portability "${portability}" and ran on ${machine.backend} with ${machine.accelerator}, which cannot be: ${why}.`,
    instead: 'Take the snapshot again.',
  };
};

/** Apple's states stay on their Mac; whoever restores one there does it by `suspend`, not by a package. */
export const sameHostRule: Rule = ({ snapshot }) => {
  const { machine, portability } = snapshot;
  if (machine.backend === 'sim' || portabilityTable[machine.backend][portability].reach !== 'same-host')
    return null;
  return {
    code: 'same-host',
    text: `a snapshot of ${machine.backend} only runs on the host and for the user that took it.`,
    instead: CHECKPOINT,
  };
};

export const architectureRule: Rule = ({ snapshot, host, called }) => {
  const { portability, architecture, source, machine } = snapshot;
  if (portability === 'any' || host.architecture === architecture) return null;
  // Emulated on a host of another architecture from its beginning: a host like that one emulates it just the same.
  if (machine.accelerator === 'tcg' && source.architecture === host.architecture) return null;
  return {
    code: 'portability',
    text: `it is a VM for ${architecture} of portability "${portability}", and ${called} is ${host.architecture}.`,
    instead: `Restore it on a host of ${architecture}; VMs that are made with --portability any run on both. ${CHECKPOINT}`,
  };
};

export const acceleratorRule: Rule = ({ snapshot, backend, called }) => {
  const { accelerator } = snapshot.machine;
  if (backend === null || accelerator === 'none' || backend.accelerators.includes(accelerator)) return null;
  const has = backend.accelerators.length === 0 ? 'nothing' : backend.accelerators.join(', ');
  return {
    code: 'accelerator',
    text: `it ran with ${accelerator}, and on ${called} ${backend.name} works with ${has}.`,
    instead:
      accelerator === 'tcg'
        ? `Install a ${backend.name} that can emulate.`
        : `Restore it where ${accelerator} works; VMs that are made with --portability any need none.`,
  };
};

/** Passed-through CPUs must be equal. */
export const cpuRule: Rule = ({ snapshot, host, called }) => {
  if (snapshot.machine.cpuModel !== 'host') return null;
  const instead = `Restore it on a host with the same CPU; VMs of portability "arch" run on any host of their architecture. ${CHECKPOINT}`;
  const there = snapshot.source.cpu;
  if (there === null || host.cpu === null) {
    const whose = there === null ? 'the host that it comes from' : called;
    return {
      code: 'cpu',
      text: `it was given its host's CPU as it is, and the CPU of ${whose} is not known.`,
      instead,
    };
  }
  const differs = cpuDifference(there, host.cpu, called);
  return differs === null
    ? null
    : {
        code: 'cpu',
        text: `it was given the CPU of its host as it is, ${there.modelName}; ${differs}.`,
        instead,
      };
};

function cpuDifference(there: CpuFacts, here: CpuFacts, called: string): string | null {
  if (there.vendor !== here.vendor || there.family !== here.family || there.model !== here.model)
    return `${called} has ${here.modelName} (${here.vendor} family ${here.family} model ${here.model}, not ${there.vendor} family ${there.family} model ${there.model})`;
  const have = new Set(here.flags);
  const missing = there.flags.filter((flag) => !have.has(flag));
  if (missing.length === 0) return null;
  const more = missing.length > FLAGS_TOLD_MAX ? ` and ${missing.length - FLAGS_TOLD_MAX} more` : '';
  return `${called}'s CPU lacks ${missing.slice(0, FLAGS_TOLD_MAX).join(', ')}${more}`;
}

export const cpuModelRule: Rule = ({ snapshot, backend, called }) => {
  const { accelerator, cpuModel } = snapshot.machine;
  if (backend === null || cpuModel === 'host' || accelerator === 'none') return null;
  const models = backend.cpuModels?.[accelerator] ?? null;
  if (models?.includes(cpuModel) === true) return null;
  return {
    code: 'cpu-model',
    text:
      models === null
        ? `whether ${backend.name} on ${called} has the CPU model ${cpuModel} with ${accelerator} is not known.`
        : `${backend.name} on ${called} does not have the CPU model ${cpuModel} with ${accelerator}.`,
    instead: `Use a version of ${backend.name}, or a host, that has it.`,
  };
};

export const machineTypeRule: Rule = ({ snapshot, backend, called }) => {
  const { machineType } = snapshot.machine;
  if (backend === null || backend.machineTypes?.includes(machineType) === true) return null;
  return {
    code: 'machine-type',
    text:
      backend.machineTypes === null
        ? `whether ${backend.name} on ${called} has the machine type ${machineType} is not known.`
        : `${backend.name} ${backend.version ?? ''} on ${called} does not have the machine type ${machineType}.`,
    instead: `Use a version of ${backend.name} that has it.`,
  };
};

export const deviceLayoutRule: Rule = ({ snapshot, backend, called }) => {
  const { deviceLayout } = snapshot.machine;
  if (backend === null || backend.deviceLayouts.includes(deviceLayout)) return null;
  if (backend.name === 'firecracker' && deviceLayout === FIRECRACKER_LAYOUT_WITH_NETWORK)
    return {
      code: 'device-layout',
      text: `it has a network card, and Firecracker on ${called} gives VMs none.`,
      instead: `Install slirp4netns on ${called}, or set KELPIE_FIRECRACKER_NETWORK for its daemon: \`kelpie doctor\` says what is missing.`,
    };
  return {
    code: 'device-layout',
    text: `its devices are laid out as version ${deviceLayout}; the Kelpie of ${called} knows ${backend.deviceLayouts.join(', ')}.`,
    instead: 'Use the version of Kelpie that took the snapshot, or a newer one.',
  };
};

/** State is read by the version that wrote it and by newer ones. */
export const vmmVersionRule: Rule = ({ snapshot, backend, called }) => {
  if (backend === null) return null;
  const there = versionNumber(snapshot.machine.backendVersion);
  const here = backend.version === null ? null : versionNumber(backend.version);
  const instead = `Update ${backend.name} on ${called}, or restore it where that version is.`;
  if (there === null || here === null)
    return {
      code: 'vmm-version',
      text: `the version of ${backend.name} ${there === null ? 'that it ran on' : `on ${called}`} is not known.`,
      instead,
    };
  if (here >= there) return null;
  return {
    code: 'vmm-version',
    text: `it ran on ${backend.name} ${snapshot.machine.backendVersion}, which is newer than ${called}'s ${backend.version ?? ''}.`,
    instead,
  };
};

/** Firecracker keeps what KVM told it of the processor, and an older kernel may not take it back; it says nothing of that itself. */
export const kernelRule: Rule = ({ snapshot, host, backend, called }) => {
  if (backend?.name !== 'firecracker') return null;
  const there = kernelNumber(snapshot.source.kernel);
  const here = kernelNumber(host.kernel);
  if (there !== null && here !== null && here >= there) return null;
  return {
    code: 'kernel',
    text:
      there === null || here === null
        ? `which Linux ${there === null ? 'it ran on' : `${called} has`} is not known.`
        : `it ran on ${snapshot.source.kernel}, which is newer than ${called}'s ${host.kernel}.`,
    instead: `Restore it where that kernel or a newer one is. ${CHECKPOINT}`,
  };
};

function kernelNumber(text: string): number | null {
  const [, release] = /^Linux (.*)$/.exec(text) ?? [];
  return release === undefined ? null : versionNumber(release);
}

/** Major and minor as one number that can be compared; null for what is no version. */
export function versionNumber(text: string): number | null {
  const [, major, minor] = /^v?(\d{1,4})\.(\d{1,4})(?:[.\s(-]|$)/.exec(text) ?? [];
  return major === undefined || minor === undefined ? null : Number(major) * 10_000 + Number(minor);
}

/** The root file system that the guest has mapped must be the very one. */
export const imageRule: Rule = ({ snapshot, host, called }) => {
  const { image, carriesImage } = snapshot;
  if (carriesImage || host.imageDigests.has(image.digest)) return null;
  return {
    code: 'image',
    text: `its image ${image.name} ${image.version} is not on ${called}, and the package does not bring it.`,
    instead: `Publish it with its image, or build that version there: \`kelpie image build ${image.name}\`.`,
  };
};

/** A checkpoint boots afresh, on whatever runs VMs. */
export const anyBackendRule: Rule = ({ host, called }) => {
  if (host.backends.length > 0) return null;
  return {
    code: 'backend',
    text: `nothing that runs VMs was found on ${called}.`,
    instead: `Install qemu-system-x86 or qemu-system-arm on ${called}.`,
  };
};

/** What its applications rely on is the release of the image, for whichever architecture it is. */
export const releaseRule: Rule = ({ snapshot, host, called }) => {
  const { image } = snapshot;
  const release = releaseOf(image);
  const runs = new Set(host.backends.map(({ architecture }) => architecture));
  if (host.images.some((own) => releaseOf(own) === release && runs.has(own.architecture))) return null;
  return {
    code: 'image',
    text: `it boots afresh from an image ${release}, which ${called} does not have for any architecture that it runs.`,
    instead: `Build it on ${called}: \`kelpie image build ${image.name}\`.`,
  };
};

/** `base 1.0`: name, MAJOR and MINOR. */
function releaseOf({ name, version }: Pick<ImageReference, 'name' | 'version'>): string {
  return `${name} ${version.split('.', 2).join('.')}`;
}
