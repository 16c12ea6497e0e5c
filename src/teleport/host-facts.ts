/** What this host says of itself to the check of compatibility, and in its snapshots. */
import { fromUtf8Lossy } from '../base/bytes.ts';
import type { Env } from '../env/env.ts';
import { isSystemError } from '../env/system-error.ts';
import { listImages } from '../image/image-store.ts';
import { CPUINFO_BYTES_MAX, parseCpuinfo } from '../snapshot/compatibility/cpuinfo.ts';
import type { HostFacts } from '../snapshot/compatibility/facts.ts';
import type { CpuFacts, SourceHostFacts } from '../snapshot/metadata.ts';
import type { TeleportHost } from './teleport-host.ts';

const CPUINFO = '/proc/cpuinfo';

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

export async function readHostFacts(host: TeleportHost): Promise<HostFacts> {
  const { env, facts, places, backends } = host;
  const probes = await Promise.all(backends.map((backend) => backend.probe()));
  const { images } = await listImages(env, places.home);
  return {
    ...facts,
    backends: probes.flatMap(({ guests }) => guests),
    imageDigests: new Set(images.map(({ digest }) => digest)),
  };
}
