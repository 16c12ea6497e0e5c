/** What this host says of itself to the check of compatibility, and in its snapshots. */
import { fromUtf8Lossy } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import type { Env } from '../env/env.ts';
import { isThere } from '../env/is-there.ts';
import { isSystemError } from '../env/system-error.ts';
import { listImages } from '../image/image-store.ts';
import { imagePaths } from '../image/paths.ts';
import { checkCompatibility } from '../snapshot/compatibility/check.ts';
import type { Compatibility } from '../snapshot/compatibility/check.ts';
import { snapshotFacts } from '../snapshot/compatibility/facts.ts';
import { CPUINFO_BYTES_MAX, parseCpuinfo } from '../snapshot/compatibility/cpuinfo.ts';
import { fromFactsDocument } from '../snapshot/compatibility/facts-document.ts';
import type { HostFacts } from '../snapshot/compatibility/facts.ts';
import { attemptLocally } from '../snapshot/local-failure.ts';
import type { CpuFacts, SnapshotMetadata, SourceHostFacts } from '../snapshot/metadata.ts';
import type { HostRecord } from '../store/hosts/host-record.ts';
import { incompatible } from './incompatible.ts';
import type { OperationListener } from './progress.ts';
import type { TeleportHost } from './teleport-host.ts';

const CPUINFO = '/proc/cpuinfo';

/** What facts are read from. */
export type FactsHost = Pick<TeleportHost, 'env' | 'facts' | 'places' | 'backends'>;

/** The processor is only known where the system tells it in `/proc`. */
export async function readSourceFacts(env: Pick<Env, 'files' | 'host'>): Promise<SourceHostFacts> {
  const { architecture, kernel } = env.host;
  return { architecture, kernel, cpu: await readCpu(env) };
}

async function readCpu(env: Pick<Env, 'files'>): Promise<CpuFacts | null> {
  try {
    return parseCpuinfo(fromUtf8Lossy(await env.files.readFile(CPUINFO, CPUINFO_BYTES_MAX)));
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'EFBIG', 'EACCES')) return null;
    throw error;
  }
}

/** All that others may be told: every image is read. @throws KelpieError `io_failed` … when the disk does not say which there are. */
export async function readHostFacts(host: FactsHost): Promise<HostFacts> {
  const { images, damaged } = await attemptLocally('read the images', () =>
    listImages(host.env, host.places.home),
  );
  return {
    ...(await readMachineFacts(host)),
    imageDigests: new Set([...images, ...damaged].map(({ digest }) => digest)),
    images: images.map(({ name, version, digest, architecture }) => ({
      name,
      version,
      digest,
      architecture,
    })),
  };
}

async function readMachineFacts({
  facts,
  backends,
}: FactsHost): Promise<Omit<HostFacts, 'imageDigests' | 'images'>> {
  const probes = await Promise.all(backends.map((backend) => backend.probe()));
  return { ...facts, backends: probes.flatMap(({ guests }) => guests) };
}

/** What the check of one snapshot reads. Memory is checked before every restore, and only its own image is looked for: the others may be many, and unreadable. */
async function readFactsFor(host: FactsHost, { kind, config }: SnapshotMetadata): Promise<HostFacts> {
  // It may boot from any image of its release.
  if (kind === 'checkpoint') return readHostFacts(host);
  const { digest } = config.image;
  const isHere = await isThere(host.env.files, imagePaths(host.places.home, digest).description);
  return { ...(await readMachineFacts(host)), imageDigests: new Set(isHere ? [digest] : []), images: [] };
}

/**
 * Whether a snapshot can run on this host, and every reason why not.
 * @param carriesImage whether what brings the snapshot brings the files of its image too.
 */
export async function checkHere(
  host: TeleportHost,
  metadata: SnapshotMetadata,
  { carriesImage }: { readonly carriesImage: boolean },
): Promise<Compatibility> {
  return checkCompatibility(snapshotFacts(metadata, carriesImage), await readFactsFor(host, metadata));
}

/** The same for another host, as far as it has told. */
export function checkFor(
  { name, facts }: HostRecord,
  metadata: SnapshotMetadata,
  { carriesImage }: { readonly carriesImage: boolean },
): Compatibility {
  return checkCompatibility(snapshotFacts(metadata, carriesImage), fromFactsDocument(facts), name);
}

export interface CompatibilityAsked {
  /** Of the VM, for sentences. */
  readonly name: string;
  /** As of `checkHere`. */
  readonly carriesImage: boolean;
  /** Told what differs and is no hindrance: that it ran on an older VMM, on a host of another architecture. */
  readonly listener: Pick<OperationListener, 'notice'>;
}

/** For whoever lets running memory go on. @throws KelpieError `restore_incompatible`, `image_not_found`, with all reasons; `invalid_argument` for a checkpoint, which has none. */
export async function requireCompatible(
  host: TeleportHost,
  metadata: SnapshotMetadata,
  { name, carriesImage, listener }: CompatibilityAsked,
): Promise<void> {
  if (metadata.kind === 'checkpoint') {
    const message = `"${name}" cannot go on from a checkpoint, which has no running memory: make a new VM of it with kelpie restore.`;
    throw new KelpieError('invalid_argument', message);
  }
  const { reasons, notices } = await checkHere(host, metadata, { carriesImage });
  if (reasons.length > 0) throw incompatible(name, reasons);
  for (const notice of notices) listener.notice(`"${name}": ${notice}`);
}
