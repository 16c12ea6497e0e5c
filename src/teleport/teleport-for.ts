/**
 * For which host a VM leaves, and what of it can go on there: asked of what that host told the store, before anything is paused, stored or sent. The host itself
 * looks again before it takes the VM.
 */
import { defined } from '../base/assert.ts';
import { KelpieError } from '../base/errors.ts';
import { checkCompatibility } from '../snapshot/compatibility/check.ts';
import { fromFactsDocument } from '../snapshot/compatibility/facts-document.ts';
import type { SnapshotFacts } from '../snapshot/compatibility/facts.ts';
import type { Reason } from '../snapshot/compatibility/rules.ts';
import { findHost } from '../store/hosts/find-host.ts';
import type { SignedHostRecord } from '../store/hosts/host-record.ts';
import { toldReasons } from './incompatible.ts';
import type { ManagedVm } from './managed-vm.ts';
import type { TeleportHost } from './teleport-host.ts';

export interface WantedHost {
  readonly storeUrl: string;
  /** Name, id, or a beginning of that. */
  readonly forHost: string;
  /** The image's files go along. */
  readonly includeImage: boolean;
}

export interface Prospect {
  readonly target: SignedHostRecord;
  /** Why its running memory cannot go on there; empty: it can. */
  readonly reasons: readonly Reason[];
  readonly notices: readonly string[];
  /** What the host lacks for a checkpoint of it. */
  readonly lacks: readonly Reason[];
}

/** @throws KelpieError `host_not_found`, `invalid_argument`, `package_corrupt` for a record that cannot be used, `invalid_state` for a VM that does not run here, those of a store. */
export async function prospectFor(host: TeleportHost, vm: ManagedVm, wanted: WantedHost): Promise<Prospect> {
  vm.requireLive('teleport');
  const { storeUrl, forHost } = wanted;
  const { hosts } = await host.openStore(storeUrl);
  const target = findHost(await hosts.list(), forHost, storeUrl);
  const facts = fromFactsDocument(target.facts);
  const snapshot = snapshotToBe(host, vm, wanted.includeImage);
  const { reasons, notices } = checkCompatibility(snapshot, facts, target.name);
  const { reasons: lacks } = checkCompatibility({ ...snapshot, kind: 'checkpoint' }, facts, target.name);
  return { target, reasons, notices, lacks };
}

function snapshotToBe(host: TeleportHost, { record }: ManagedVm, carriesImage: boolean): SnapshotFacts {
  const { config, runtime } = record;
  const { portability, architecture, image } = config;
  const { machine } = defined(runtime, 'the process of a live VM');
  return { kind: 'teleport', portability, architecture, image, carriesImage, machine, source: host.facts };
}

/** All reasons together, and the way that there is. */
export function cannotGoTo(
  vmName: string,
  { target, reasons, lacks }: Pick<Prospect, 'target' | 'reasons' | 'lacks'>,
): KelpieError {
  const told = toldReasons(reasons);
  const offer =
    lacks.length === 0
      ? 'A checkpoint can: add --allow-checkpoint, and one is published for it; the VM goes on here.'
      : `A checkpoint (--allow-checkpoint) would need more there too: ${toldReasons(lacks).join(' Also, ')}`;
  return new KelpieError(
    'teleport_incompatible',
    `cannot teleport "${vmName}" to ${target.name}: ${told.join(' Also, ')} ${offer}`,
    { data: { host: target.name, reasons: told, codes: reasons.map(({ code }) => code) } },
  );
}
