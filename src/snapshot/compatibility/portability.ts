/**
 * What each class of portability means on each backend: the one table, which `docs/PORTABILITY.md` shows. A VM has its class from its
 * creation, since the guest keeps what it was given: a CPU feature that it saw cannot be taken away again.
 */
import type { Portability } from '../metadata.ts';
import type { Accelerator, BackendName } from './facts.ts';

/** How far a snapshot of a class goes. */
export type Reach =
  /** The same CPU (vendor, family, model, every flag) under the same accelerator. */
  | 'same-cpu'
  /** Any host of the guest's architecture that has the named CPU model. */
  | 'same-architecture'
  /** Any host. */
  | 'any-host'
  /** The host that it was taken on: the backend ties its state to it. */
  | 'same-host';

export interface PortabilityRule {
  readonly reach: Reach;
  /** In order of preference; empty: the backend has no such class. */
  readonly accelerators: readonly Accelerator[];
  readonly cpu: 'passed through' | 'named baseline' | 'template' | 'of the host';
  readonly machineType: string;
  readonly why: string;
}

type Table = Readonly<Record<Exclude<BackendName, 'sim'>, Readonly<Record<Portability, PortabilityRule>>>>;

const versioned = 'versioned (pc-q35-N.M, virt-N.M)';
const absent = (why: string): PortabilityRule => ({
  reach: 'same-host',
  accelerators: [],
  cpu: 'of the host',
  machineType: '–',
  why,
});

export const portabilityTable: Table = {
  qemu: {
    host: {
      reach: 'same-cpu',
      accelerators: ['kvm', 'hvf', 'tcg'],
      cpu: 'passed through',
      machineType: versioned,
      why: 'the guest has every feature of the CPU, and only an equal CPU has them too; emulated, it is a named baseline',
    },
    arch: {
      reach: 'same-architecture',
      accelerators: ['kvm', 'hvf', 'tcg'],
      cpu: 'named baseline',
      machineType: versioned,
      why: 'the guest has the features of a model that every host of its architecture has; on arm64 such models exist in emulation only',
    },
    any: {
      reach: 'any-host',
      accelerators: ['tcg'],
      cpu: 'named baseline',
      machineType: versioned,
      why: 'an emulated CPU is the same everywhere, and one thread keeps the order of memory where the host’s is weaker than the guest’s',
    },
  },
  firecracker: {
    host: {
      reach: 'same-cpu',
      accelerators: ['kvm'],
      cpu: 'passed through',
      machineType: 'Firecracker’s own, by its snapshot version',
      why: 'Firecracker restores only where the CPU has all features that the guest saw, and does not check it itself',
    },
    arch: {
      reach: 'same-architecture',
      accelerators: ['kvm'],
      cpu: 'template',
      machineType: 'Firecracker’s own, by its snapshot version',
      why: 'a CPU template masks what differs between the CPUs that it is made for',
    },
    any: absent(
      'Firecracker needs KVM, and KVM runs guests of the host’s architecture only: use the qemu backend',
    ),
  },
  vz: {
    host: {
      reach: 'same-host',
      accelerators: ['hvf'],
      cpu: 'of the host',
      machineType: 'Apple’s own',
      why: 'Apple encrypts saved state for one Mac and one user',
    },
    arch: absent(
      'Apple encrypts saved state for one Mac and one user: use the qemu backend, or a checkpoint',
    ),
    any: absent('Apple encrypts saved state for one Mac and one user: use the qemu backend, or a checkpoint'),
  },
};
