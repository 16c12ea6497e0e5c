/** Which machine a VM gets, and whether this host's Firecracker can run a recorded one. */
import { KelpieError } from '../../base/errors.ts';
import type { BackendFacts } from '../../snapshot/compatibility/facts.ts';
import { FIRECRACKER_LAYOUT_WITH_NETWORK as LAYOUT_WITH_NETWORK } from '../../snapshot/compatibility/device-layouts.ts';
import type { Architecture, MachineFacts, VmConfig } from '../../snapshot/metadata.ts';
import type { WantedVm } from '../instance.ts';
import type { FirecrackerAbilities } from './abilities.ts';
import type { CpuTemplate } from './api/requests.ts';
import { publishProblem } from './network.ts';
import type { Network } from './network.ts';
import { parseVersion, versionText } from './version.ts';
import type { FirecrackerVersion } from './version.ts';

/**
 * The devices of a VM: root disk, data disk, vsock, entropy, balloon; and a network card. Firecracker keeps their places in the snapshot, and
 * can neither add a card to it nor leave it out; the number changes when what they are or are called does.
 */
const LAYOUT_ALONE = 1;

export function hasNetworkCard({ deviceLayout }: MachineFacts): boolean {
  return deviceLayout === LAYOUT_WITH_NETWORK;
}

/**
 * Why no VM of this configuration can be made here; null when it can.
 * @param architecture of the host: KVM runs no other.
 */
export function refusalOf(
  config: WantedVm,
  architecture: Architecture,
  { cpuTemplate }: Pick<FirecrackerAbilities, 'cpuTemplate'>,
  network: Network,
): string | null {
  if (config.architecture !== architecture)
    return `Firecracker runs ${architecture} guests here, not ${config.architecture}: use the qemu backend.`;
  if (config.portability === 'any')
    return 'Firecracker has no portability "any", since KVM does not emulate: use the qemu backend, or --portability arch.';
  if (config.portability === 'arch' && cpuTemplate === null)
    return 'Firecracker has no CPU template for the CPU of this host: use --portability host, or the qemu backend.';
  const problem = config.publish.length === 0 ? null : publishProblem(network);
  return problem === null
    ? null
    : `Firecracker publishes no ports here, since ${problem}, or use the qemu backend.`;
}

/** @throws KelpieError `backend_unavailable` when Firecracker cannot run such a VM here. */
export function chooseMachine(
  config: VmConfig,
  architecture: Architecture,
  abilities: FirecrackerAbilities,
  network: Network,
): MachineFacts {
  const refusal = refusalOf(config, architecture, abilities, network);
  if (refusal !== null) throw new KelpieError('backend_unavailable', refusal);
  return {
    backend: 'firecracker',
    backendVersion: versionText(abilities.version),
    machineType: machineType(abilities.snapshotVersion),
    cpuModel: config.portability === 'arch' ? (abilities.cpuTemplate ?? 'host') : 'host',
    accelerator: 'kvm',
    deviceLayout: network.kind === 'none' ? LAYOUT_ALONE : LAYOUT_WITH_NETWORK,
  };
}

/** What stands for the machine's make: the version of its device state. */
export function machineType({ major, minor }: Pick<FirecrackerVersion, 'major' | 'minor'>): string {
  return `snapshot-${major}.${minor}`;
}

/** A recorded machine from here on: this Firecracker writes its next state, which no older one reads. */
export function goingOn(machine: MachineFacts, abilities: FirecrackerAbilities): MachineFacts {
  const { version, snapshotVersion } = abilities;
  return { ...machine, backendVersion: versionText(version), machineType: machineType(snapshotVersion) };
}

/** What it says of itself to the check of compatibility. @param isKvmUsable a guest ran on it. */
export function factsOf(
  abilities: FirecrackerAbilities,
  architecture: Architecture,
  { isKvmUsable, network }: { readonly isKvmUsable: boolean; readonly network: Network },
): BackendFacts {
  const { version, snapshotVersion, cpuTemplate } = abilities;
  const { major, minor } = snapshotVersion;
  return {
    name: 'firecracker',
    architecture,
    version: versionText(version),
    accelerators: isKvmUsable ? ['kvm'] : [],
    // The same major version, no newer a minor one.
    machineTypes: Array.from({ length: minor + 1 }, (_, older) => machineType({ major, minor: older })),
    cpuModels: { kvm: cpuTemplate === null ? ['host'] : ['host', cpuTemplate] },
    deviceLayouts: network.kind === 'none' ? [LAYOUT_ALONE] : [LAYOUT_ALONE, LAYOUT_WITH_NETWORK],
  };
}

/** The template that a recorded machine was given; null when it had its host's CPU. */
export function templateOf({ cpuModel }: MachineFacts): CpuTemplate | null {
  return cpuModel === 'T2' || cpuModel === 'T2A' || cpuModel === 'V1N1' ? cpuModel : null;
}

/**
 * Every reason why this host's Firecracker cannot go on with a recorded machine, at once. What the CPUs are was compared before
 * (`snapshot/compatibility`): Firecracker itself would only warn.
 * @throws KelpieError `restore_incompatible` with `reasons`.
 */
export function assertCanRun(
  machine: MachineFacts,
  config: VmConfig,
  abilities: FirecrackerAbilities,
  network: Network,
): void {
  const { version, snapshotVersion, cpuTemplate } = abilities;
  const facts = factsOf(abilities, config.architecture, { isKvmUsable: true, network });
  const reasons: string[] = [];
  if (machine.backend !== 'firecracker') reasons.push(`it ran on ${machine.backend}, not on firecracker`);
  const problem = networkProblem(machine, config, network);
  if (problem !== null) reasons.push(problem);
  else if (!facts.deviceLayouts.includes(machine.deviceLayout))
    reasons.push(`its device layout ${machine.deviceLayout} is not known to this version of Kelpie`);
  if (facts.machineTypes?.includes(machine.machineType) !== true)
    reasons.push(
      `its device state is of ${machine.machineType}, this Firecracker (${versionText(version)}) reads ${machineType(snapshotVersion)}`,
    );
  if (isNewer(machine.backendVersion, version))
    reasons.push(`it ran on Firecracker ${machine.backendVersion}, this host has ${versionText(version)}`);
  const template = templateOf(machine);
  if (machine.cpuModel !== 'host' && (template === null || template !== cpuTemplate))
    reasons.push(`the CPU of this host cannot be a ${machine.cpuModel}`);
  if (reasons.length === 0) return;
  throw new KelpieError(
    'restore_incompatible',
    `this host cannot go on with the VM: ${reasons.join('; ')}.`,
    { data: { reasons } },
  );
}

/** Why its card, or the ports that it is to have, cannot be had here; null when they can. */
function networkProblem(machine: MachineFacts, { publish }: VmConfig, network: Network): string | null {
  const hasCard = hasNetworkCard(machine);
  if (hasCard && network.kind === 'none') return `it has a network card, and ${network.why}`;
  if (publish.length === 0) return null;
  const problem = hasCard ? publishProblem(network) : 'it has no network card: boot it again';
  return problem === null ? null : `its ports cannot be published: ${problem}`;
}

function isNewer(text: string, than: FirecrackerVersion): boolean {
  const version = parseVersion(text);
  return (
    version === null ||
    version.major - than.major > 0 ||
    (version.major === than.major && version.minor > than.minor)
  );
}
