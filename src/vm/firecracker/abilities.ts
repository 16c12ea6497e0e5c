/** What this host's Firecracker is and can do: asked of it once in the life of this process. */
import { fromUtf8Lossy } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { parentDirectory } from '../../env/durable-files.ts';
import type { Env } from '../../env/env.ts';
import { isSystemError } from '../../env/system-error.ts';
import { CPUINFO_BYTES_MAX, parseCpuinfo } from '../../snapshot/compatibility/cpuinfo.ts';
import type { CpuFacts } from '../../snapshot/metadata.ts';
import { findProgram } from '../find-program.ts';
import type { CpuTemplate } from './api/requests.ts';
import { askProgram, complaintOf, hasSucceeded } from './programs.ts';
import { assertSupported, featuresOf, parseVersion, versionText } from './version.ts';
import type { FirecrackerFeatures, FirecrackerVersion } from './version.ts';

/** As many as Linux follows. */
const LINKS_MAX = 40;

export interface FirecrackerAbilities {
  readonly program: string;
  readonly version: FirecrackerVersion;
  readonly features: FirecrackerFeatures;
  /** Of the device state that it writes; it reads the same major version up to this minor one. */
  readonly snapshotVersion: FirecrackerVersion;
  /** The named set of CPU features that this host's CPU has; null when there is none for it. */
  readonly cpuTemplate: CpuTemplate | null;
}

/** @throws KelpieError `backend_unavailable` with what to install. */
export async function discoverAbilities(env: Env, name: string): Promise<FirecrackerAbilities> {
  const found = await findProgram(env, name);
  if (found === null) {
    throw new KelpieError(
      'backend_unavailable',
      `${name} is not installed: put the \`firecracker\` of a release (github.com/firecracker-microvm/firecracker/releases) on the PATH.`,
    );
  }
  const program = await withoutLinks(env, found.path);
  const version = await askVersion(env, program, '--version');
  assertSupported(program, version);
  return {
    program,
    version,
    features: featuresOf(version),
    snapshotVersion: await askVersion(env, program, '--snapshot-version'),
    cpuTemplate: templateFor(await readCpu(env)),
  };
}

/** The file that a path leads to: a jailer names its cages after it. */
async function withoutLinks({ files }: Pick<Env, 'files'>, path: string): Promise<string> {
  let resolved = path;
  for (let links = 0; links < LINKS_MAX; links += 1) {
    if ((await files.lstat(resolved)).kind !== 'symlink') return resolved;
    const target = await files.readLink(resolved);
    resolved = target.startsWith('/') ? target : `${parentDirectory(resolved)}/${target}`;
  }
  throw new KelpieError('backend_unavailable', `${path} leads through too many links.`);
}

/** The version of a jailer; it must be Firecracker's own. @throws KelpieError `backend_unavailable`. */
export async function checkJailer(env: Env, jailer: string, firecracker: FirecrackerVersion): Promise<void> {
  const version = versionText(await askVersion(env, jailer, '--version'));
  if (version === versionText(firecracker)) return;
  throw new KelpieError(
    'backend_unavailable',
    `${jailer} is of version ${version} and Firecracker of ${versionText(firecracker)}: install both from one release.`,
  );
}

async function askVersion(env: Env, program: string, flag: string): Promise<FirecrackerVersion> {
  const answer = await askProgram(env, program, [flag]);
  const [line = ''] = answer.stdout.split('\n');
  const version = hasSucceeded(answer) ? parseVersion(line) : null;
  if (version !== null) return version;
  const said = hasSucceeded(answer) ? `it says "${line.slice(0, 80)}"` : complaintOf(answer);
  throw new KelpieError('backend_unavailable', `${program} does not tell its version (${flag}): ${said}.`);
}

async function readCpu({ files }: Pick<Env, 'files'>): Promise<CpuFacts | null> {
  try {
    return parseCpuinfo(fromUtf8Lossy(await files.readFile('/proc/cpuinfo', CPUINFO_BYTES_MAX)));
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return null;
  }
}

/**
 * The CPU models that Firecracker's documentation (docs/cpu_templates) lists for each template. On another one it refuses to start, so none is
 * offered there.
 */
const templates: readonly {
  readonly template: CpuTemplate;
  readonly vendor: string;
  readonly family: number;
  readonly models: readonly number[];
}[] = [
  // Skylake and Cascade Lake, Ice Lake.
  { template: 'T2', vendor: 'GenuineIntel', family: 6, models: [85, 106] },
  // Milan.
  { template: 'T2A', vendor: 'AuthenticAMD', family: 25, models: [1] },
  // Neoverse V1, in any variant.
  { template: 'V1N1', vendor: '0x41', family: 0xd40, models: [0, 1, 2] },
];

export function templateFor(cpu: CpuFacts | null): CpuTemplate | null {
  if (cpu === null) return null;
  const found = templates.find(
    ({ vendor, family, models }) =>
      cpu.vendor === vendor && cpu.family === family && models.includes(cpu.model),
  );
  return found?.template ?? null;
}
