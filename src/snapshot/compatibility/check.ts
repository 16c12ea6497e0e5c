/**
 * Whether a snapshot can run on a host, decided before anything is moved or touched. Pure: facts in, every reason at once out.
 * `docs/PORTABILITY.md` tells the rules to people.
 */
import type { BackendFacts, HostFacts, SnapshotFacts } from './facts.ts';
import * as rules from './rules.ts';
import type { Pair, Reason, Rule } from './rules.ts';

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

/** A checkpoint boots afresh: it needs nothing of the machine that it came from. */
const checkpointRules: readonly Rule[] = [rules.anyBackendRule, rules.releaseRule];

/** @param called what sentences call the host, when it is another than this one. */
export function checkCompatibility(
  snapshot: SnapshotFacts,
  host: HostFacts,
  called: string = 'this host',
): Compatibility {
  const backend = backendFor(snapshot, host);
  const isCheckpoint = snapshot.kind === 'checkpoint';
  const pair = { snapshot, host, backend, called };
  const reasons = (isCheckpoint ? checkpointRules : memoryRules).flatMap((rule) => rule(pair) ?? []);
  return { reasons, notices: isCheckpoint || reasons.length > 0 ? [] : noticesOf(pair) };
}

function backendFor({ machine, architecture }: SnapshotFacts, host: HostFacts): BackendFacts | null {
  return (
    host.backends.find(
      (backend) => backend.name === machine.backend && backend.architecture === architecture,
    ) ?? null
  );
}

function noticesOf({ snapshot: { machine, source }, host, backend, called }: Pair): readonly string[] {
  if (backend === null) return [];
  const notices: string[] = [];
  const there = machine.backendVersion;
  const here = backend.version ?? 'unknown';
  // Of one major and minor, states go both ways.
  const isNewer = rules.versionNumber(here) !== rules.versionNumber(there);
  const from = isNewer ? ', and from then on needs that or a newer one' : '';
  if (here !== there) notices.push(`it ran on ${machine.backend} ${there}, ${called} has ${here}${from}.`);
  if (machine.backend === 'firecracker' && source.kernel !== host.kernel)
    notices.push(`it ran on ${source.kernel}, ${called} has ${host.kernel}.`);
  if (source.architecture !== host.architecture)
    notices.push(
      `it comes from a host of ${source.architecture} and goes on on one of ${host.architecture}, emulated.`,
    );
  return notices;
}
