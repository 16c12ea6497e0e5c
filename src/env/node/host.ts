import { availableParallelism, cpus, homedir, hostname, release, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from '../../base/assert.ts';
import { KelpieError } from '../../base/errors.ts';
import type { Host } from '../host.ts';

export type Variables = Readonly<Record<string, string | undefined>>;

/** This file is `src/env/node/host.ts` in a clone and `dist/env/node/host.js` in an installed package. */
const installDirectory = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '');

function architecture(): Host['architecture'] {
  if (process.arch === 'x64') return 'x86_64';
  if (process.arch === 'arm64') return 'arm64';
  throw new KelpieError(
    'backend_unavailable',
    `Kelpie runs on x86_64 and arm64; this Node is built for ${process.arch}.`,
  );
}

function platform(): Host['platform'] {
  if (process.platform === 'linux' || process.platform === 'darwin') return process.platform;
  throw new KelpieError(
    'backend_unavailable',
    `Kelpie runs on Linux and macOS; this is ${process.platform}.`,
  );
}

/** @throws KelpieError `backend_unavailable` on a machine that Kelpie does not know. */
export function createNodeHost(variables: Variables): Host {
  assert(process.getuid !== undefined, 'Linux and macOS have user ids');
  return {
    architecture: architecture(),
    platform: platform(),
    name: hostname(),
    kernel: `${type()} ${release()}`,
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    cpuCount: availableParallelism(),
    memoryBytes: totalmem(),
    pid: process.pid,
    uid: process.getuid(),
    homeDirectory: variables['HOME'] ?? homedir(),
    currentDirectory: process.cwd(),
    launcherPath: join(installDirectory, 'bin', 'kelpie'),
    installDirectory,
    variable: (name) => variables[name] ?? null,
  };
}
