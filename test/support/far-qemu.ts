/**
 * QEMU as Debian builds it for the other architecture, run by user-mode emulation: the QEMU of a far host, on this machine.
 *
 *     apt, on a state of its own ─▶ .cache/far-qemu/root   packages of the other architecture, unpacked
 *                                                   bin    the programs that a far host has on its PATH
 *
 * Nothing finds it by itself: it is used where a test puts `bin` on the PATH of a host (`far-host.ts`).
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { Env } from '../../src/env/env.ts';
import { Apt } from '../../src/image/build/apt.ts';
import { chooseArchives } from '../../src/image/build/host-sources.ts';
import { cachedPackagePath, fillPackageCache } from '../../src/image/build/package-cache.ts';
import { runTool } from '../../src/image/build/tool.ts';
import { waitForLock } from '../../src/image/wait-for-lock.ts';
import type { Architecture } from '../../src/snapshot/metadata.ts';

/** Fetching takes 20 s, most of it the network's. */
export const FAR_QEMU_TIMEOUT_MS = 300_000;

const root = join(import.meta.dirname, '../..');
const cache = join(root, '.cache');
const home = join(cache, 'far-qemu');
const bin = join(home, 'bin');

const packages = ['qemu-system-x86', 'qemu-system-arm', 'qemu-utils'] as const;
const programs = ['qemu-system-x86_64', 'qemu-system-aarch64', 'qemu-img'] as const;

/** An architecture as Debian calls it, and as QEMU does. */
const names = {
  x86_64: { debian: 'amd64', qemu: 'x86_64' },
  arm64: { debian: 'arm64', qemu: 'aarch64' },
} as const satisfies Record<Architecture, unknown>;

export interface FarQemu {
  readonly architecture: Architecture;
  /** A folder for the `PATH`. */
  readonly bin: string;
  /** The program of this machine that runs all of them: what `/proc/PID/exe` of each is. */
  readonly emulator: string;
}

/**
 * Fetched (47 MB) when it is not there, or this machine has another version of QEMU since.
 * @throws Error with what this machine lacks for it.
 */
export async function farQemu(env: Env): Promise<FarQemu> {
  const architecture = env.host.architecture === 'x86_64' ? 'arm64' : 'x86_64';
  const emulator = emulatorOf(architecture);
  const version = await versionOf(`qemu-system-${names[env.host.architecture].qemu}`);
  const signal = AbortSignal.timeout(FAR_QEMU_TIMEOUT_MS);
  await mkdir(cache, { recursive: true });
  const lock = await waitForLock(env, `${home}.lock`, signal);
  try {
    if (!(await isMadeFor(version))) await make({ env, architecture, emulator, version, signal });
    return { architecture, bin, emulator };
  } finally {
    await lock.release();
  }
}

/** The version of this machine's QEMU that it was fetched for: a far host must be able to take and to give back. */
const madeFor = join(home, 'made-for');

async function isMadeFor(version: string): Promise<boolean> {
  return existsSync(madeFor) && (await readFile(madeFor, 'utf8')) === version;
}

interface Making {
  readonly env: Env;
  readonly architecture: Architecture;
  readonly emulator: string;
  readonly version: string;
  readonly signal: AbortSignal;
}

async function make(making: Making): Promise<void> {
  const { architecture, version } = making;
  const debian = names[architecture].debian;
  console.error(
    `fetching QEMU for ${debian} (47 MB, once): tests take running VMs to a host with it and back`,
  );
  await rm(home, { recursive: true, force: true });
  await mkdir(bin, { recursive: true });
  try {
    await unpack(making);
  } catch (error) {
    const message = `this machine's apt does not give QEMU for ${debian}, which the tests across architectures need: its package sources must have that architecture.`;
    throw new Error(message, { cause: error });
  }
  for (const program of programs) await writeProgram(making.emulator, program);
  const far = await versionOf(join(bin, 'qemu-system-x86_64'));
  if (minorOf(far) !== minorOf(version))
    throw new Error(
      `apt has QEMU ${far} for ${debian} and this machine ${version}: the tests across architectures need the same minor version.`,
    );
  await writeFile(`${madeFor}.new`, version);
  await rename(`${madeFor}.new`, madeFor);
}

async function unpack({ env, architecture, signal }: Making): Promise<void> {
  const [state, fetched, scratch] = [join(home, 'apt'), join(home, 'packages'), join(home, 'scratch')];
  for (const directory of [state, scratch, join(home, 'root')]) await mkdir(directory);
  const { sources } = await chooseArchives(env.files, null);
  const apt = await Apt.create(env, state, { architecture: names[architecture].debian, sources, signal });
  await apt.update(() => undefined);
  const wanted = await apt.resolve(packages);
  await fillPackageCache(env, {
    apt,
    packages: wanted,
    cacheDirectory: fetched,
    scratchDirectory: scratch,
    onBytes: () => undefined,
  });
  for (const file of wanted) {
    const args = ['-x', cachedPackagePath(fetched, file), join(home, 'root')];
    await runTool(env, { command: 'dpkg-deb', args, signal });
  }
  for (const directory of [state, fetched, scratch]) await rm(directory, { recursive: true });
}

/**
 * A process has the name of the program, as on a host of its architecture, not that of the emulator. The emulator has no seccomp for what
 * it runs, and without it QEMU does not know its option `-sandbox`, which is left out.
 */
async function writeProgram(emulator: string, program: string): Promise<void> {
  const path = join(bin, program);
  const script = `#!/bin/bash
arguments=()
while [ $# -gt 0 ]; do
  if [ "$1" = -sandbox ]; then shift; else arguments+=("$1"); fi
  shift
done
exec -a "$0" '${emulator}' -L '${home}/root' '${home}/root/usr/bin/${program}' "\${arguments[@]}"
`;
  await writeFile(path, script);
  await chmod(path, 0o755);
}

function emulatorOf(architecture: Architecture): string {
  const name = `qemu-${names[architecture].qemu}-static`;
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const path = folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate));
  if (path !== undefined) return path;
  throw new Error(`${name} is not installed: run scripts/bootstrap.sh --tests.`);
}

async function versionOf(program: string): Promise<string> {
  const { stdout } = await promisify(execFile)(program, ['--version']);
  const [, version] = /version (\d+\.\d+\.\d+)/.exec(stdout) ?? [];
  if (version === undefined) throw new Error(`${program} does not tell its version: ${stdout}`);
  return version;
}

/** `7.2` of `7.2.22`: what says whether one can read what another one wrote. */
function minorOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}
