/**
 * Whether a snapshot can run on a host, decided before anything is moved or touched. Pure: facts in, every reason at once out.
 * `docs/PORTABILITY.md` tells the rules to people.
 */
import type { BackendFacts, HostFacts, SnapshotFacts } from './facts.ts';
import * as rules from './rules.ts';
import type { Reason, Rule } from './rules.ts';

export interface Compatibility {
  /** Empty: it can run. */
  readonly reasons: readonly Reason[];
  /** Sentences worth telling, no hindrance. */
  readonly notices: readonly string[];
}

const memoryRules: readonly Rule[] = [
  rules.backendRule,
  rules.classRule,
  rules.sameHostRule,
  rules.architectureRule,
  rules.acceleratorRule,
  rules.cpuRule,
  rules.cpuModelRule,
  rules.machineTypeRule,
  rules.deviceLayoutRule,
  rules.vmmVersionRule,
  rules.kernelRule,
  rules.imageRule,
];

export function checkCompatibility(snapshot: SnapshotFacts, host: HostFacts): Compatibility {
  const backend = backendFor(snapshot, host);
  // A checkpoint boots afresh: it needs nothing of the machine that it came from.
  if (snapshot.kind === 'checkpoint') return { reasons: [], notices: [] };
  const reasons = memoryRules.flatMap((rule) => rule({ snapshot, host, backend }) ?? []);
  return { reasons, notices: reasons.length === 0 ? noticesOf(snapshot, host, backend) : [] };
}

function backendFor({ machine, architecture }: SnapshotFacts, host: HostFacts): BackendFacts | null {
  return (
    host.backends.find(
      (backend) => backend.name === machine.backend && backend.architecture === architecture,
    ) ?? null
  );
}

function noticesOf(
  { machine, source }: SnapshotFacts,
  host: HostFacts,
  backend: BackendFacts | null,
): readonly string[] {
  if (backend === null) return [];
  const notices: string[] = [];
  if (backend.version !== machine.backendVersion)
    notices.push(
      `it ran on ${machine.backend} ${machine.backendVersion}, this host has ${backend.version ?? 'another'}.`,
    );
  if (machine.backend === 'firecracker' && source.kernel !== host.kernel)
    notices.push(`it ran on ${source.kernel}, this host has ${host.kernel}.`);
  if (source.architecture !== host.architecture)
    notices.push(
      `it comes from a host of ${source.architecture} and goes on on one of ${host.architecture}, emulated.`,
    );
  return notices;
}
