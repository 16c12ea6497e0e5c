/**
 * Lays out a jail as Firecracker's jailer does, and tells the shell that started this (`jailer`) what to run in it.
 *
 *     BASE/NAME/ID/root/          mode 0700, owned by the jail's user
 *         NAME                    a copy of the program
 *         NAME.pid                the process's id
 *         dev/ dev/net/ run/      and the nodes kvm, net/tun, urandom
 *
 * Nobody is locked in: the program starts in the jail's root and takes all paths to begin there (`FIRECRACKER_STAND_IN_JAIL`), and
 * refuses files that the jail's user could not open. So it works without root, and what it needs of the host can stay where it is.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  realpathSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { ArgumentError, instanceIdFault, parseCommandLine } from '../../src/sim/firecracker/command-line.ts';
import type { CommandLine, Options } from '../../src/sim/firecracker/command-line.ts';
import { osError } from '../../src/sim/firecracker/fault.ts';
import { readSettings } from './settings.ts';
import { formatVersion } from '../../src/sim/firecracker/version.ts';

const options: Options = {
  id: { takesValue: true, isRequired: true },
  'exec-file': { takesValue: true, isRequired: true },
  uid: { takesValue: true, isRequired: true },
  gid: { takesValue: true, isRequired: true },
  'chroot-base-dir': { takesValue: true, byDefault: '/srv/jailer' },
  netns: { takesValue: true },
  daemonize: {},
  'new-pid-ns': {},
  cgroup: { takesValue: true, isRepeatable: true },
  'resource-limit': { takesValue: true, isRepeatable: true },
  'cgroup-version': { takesValue: true, byDefault: '1' },
  'parent-cgroup': { takesValue: true },
  version: {},
};

/** Where the shell reads what to run. */
const PLAN_DESCRIPTOR = 3;
const ID_MAX = 2 ** 32 - 1;
/** Folders of every jail, and nodes by major and minor number. */
const folders = ['.', 'dev', 'dev/net', 'run'];
const nodes: readonly (readonly [path: string, major: number, minor: number])[] = [
  ['dev/net/tun', 10, 200],
  ['dev/kvm', 10, 232],
  ['dev/urandom', 1, 9],
];
/** The limits of `--resource-limit`, as prlimit(1) names them. */
const limits: Readonly<Record<string, string>> = { fsize: 'fsize', 'no-file': 'nofile' };

class JailerError extends Error {
  override readonly name = 'JailerError';
}

interface Jail {
  readonly id: string;
  readonly program: string;
  readonly root: string;
  readonly uid: number;
  readonly gid: number;
}

function main(): void {
  const line = parseCommandLine(process.argv.slice(2), options);
  const { version } = readSettings(process.env);
  if (line.has('version') || line.has('help')) {
    process.stdout.write(`Jailer v${formatVersion(version)}\n\n`);
    return;
  }
  const jail = readJail(line);
  checkCgroups(line);
  const before = [...netnsWords(line), ...limitWords(line)];
  layOut(jail);
  tellShell(jail, line, before);
}

/** @throws JailerError in the words of the jailer. */
function readJail(line: CommandLine): Jail {
  const id = line.value('id') ?? '';
  const fault = instanceIdFault(id);
  if (fault !== null) throw new JailerError(`Invalid instance ID: ${fault}`);
  const program = canonical(line.value('exec-file') ?? '');
  if (!statSync(program).isFile()) throw new JailerError(`${program} is not a file`);
  const base = canonical(line.value('chroot-base-dir') ?? '');
  if (!statSync(base).isDirectory()) throw new JailerError(`${base} is not a directory`);
  const root = join(base, basename(program), id, 'root');
  return { id, program, root, uid: readId(line, 'uid'), gid: readId(line, 'gid') };
}

function canonical(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw new JailerError(`Failed to canonicalize path ${path}: ${osError(error)}`);
  }
}

function readId(line: CommandLine, name: 'uid' | 'gid'): number {
  const value = line.value(name) ?? '';
  const isId = /^\d{1,10}$/.test(value) && Number(value) <= ID_MAX;
  if (!isId) throw new JailerError(`Invalid ${name}: ${value}`);
  return Number(value);
}

/** Cgroups are checked, not made. */
function checkCgroups(line: CommandLine): void {
  const version = line.value('cgroup-version') ?? '';
  if (version !== '1' && version !== '2') {
    throw new JailerError(`${version} is an invalid cgroup version specifier`);
  }
  const parent = line.value('parent-cgroup') ?? '';
  if (parent.startsWith('/') || /(?:^|\/)\.\.?(?:\/|$)/.test(parent)) {
    throw new JailerError(
      "Parent cgroup path is invalid. Path should not be absolute or contain '..' or '.'",
    );
  }
  for (const cgroup of line.values('cgroup')) {
    const [file = '', value = '', ...more] = cgroup.split('=');
    if (value === '' || more.length > 0) throw new JailerError(`Invalid format for cgroups: ${cgroup}`);
    if (file.startsWith('/') || file.split('/').includes('..')) {
      throw new JailerError(`Cgroup invalid file: ${cgroup}`);
    }
  }
}

function netnsWords(line: CommandLine): readonly string[] {
  const path = line.value('netns');
  if (path === null) return [];
  if (!existsSync(path)) {
    throw new JailerError(`Failed to open file ${path}: No such file or directory (os error 2)`);
  }
  return ['nsenter', `--net=${path}`];
}

function limitWords(line: CommandLine): readonly string[] {
  const words = line.values('resource-limit').map((limit) => {
    const [name = '', value] = limit.split('=');
    if (value === undefined) throw new JailerError(`Invalid format for resources limits: ${limit}`);
    if (!/^\d+$/.test(value)) {
      throw new JailerError(`Invalid limit value for resource: ${value}: invalid digit found in string`);
    }
    const known = limits[name];
    if (known === undefined) throw new JailerError(`Invalid resource argument: ${name}`);
    return `--${known}=${value}:${value}`;
  });
  return words.length === 0 ? [] : ['prlimit', ...words];
}

/** @throws JailerError, as when a jail of this name was not cleared away: its nodes are there. */
function layOut({ root, program, uid, gid }: Jail): void {
  const isRoot = process.getuid?.() === 0;
  const own = (path: string): void => {
    if (isRoot) chownSync(path, uid, gid);
  };
  try {
    mkdirSync(root, { recursive: true });
    const copy = join(root, basename(program));
    copyFileSync(program, copy);
    own(copy);
    for (const folder of folders) {
      mkdirSync(join(root, folder), { recursive: true });
      chmodSync(join(root, folder), 0o700);
      own(join(root, folder));
    }
  } catch (error) {
    throw new JailerError(`Failed to create directory ${root}: ${osError(error)}`);
  }
  for (const [path, major, minor] of nodes) {
    if (existsSync(join(root, path))) {
      throw new JailerError(`Failed to create /${path} via mknod inside the jail: File exists (os error 17)`);
    }
    // Only root may make nodes, and nothing of ours opens them.
    if (!isRoot) continue;
    execFileSync('mknod', ['-m', '600', join(root, path), 'c', String(major), String(minor)]);
    own(join(root, path));
  }
  if (existsSync(`${join(root, basename(program))}.pid`)) {
    const path = `/${basename(program)}.pid`;
    throw new JailerError(`Failed to open file ${path}: File exists (os error 17)`);
  }
}

/** How to start, where to leave the process's id, where to start, and what. */
function tellShell(jail: Jail, line: CommandLine, before: readonly string[]): void {
  const how = line.has('daemonize') ? 'daemon' : line.has('new-pid-ns') ? 'detach' : 'becomes';
  const nowUs = Math.round(performance.timeOrigin * 1000);
  // The jailer hands no environment on; what the stand-in itself needs goes with it.
  const kept = Object.entries(process.env).flatMap(([name, value]) =>
    /^(?:PATH|NODE_COMPILE_CACHE|FIRECRACKER_STAND_IN_.*)$/.test(name) && value !== undefined
      ? [`${name}=${value}`]
      : [],
  );
  const plan = [
    ...[how, `${join(jail.root, basename(jail.program))}.pid`, jail.root],
    ...before,
    ...['env', '-i', ...kept, `FIRECRACKER_STAND_IN_JAIL=${jail.uid}:${jail.gid}`],
    ...[jail.program, '--id', jail.id, '--start-time-us', String(nowUs)],
    ...['--start-time-cpu-us', '0', '--parent-cpu-time-us', '0', ...line.rest],
  ];
  writeSync(PLAN_DESCRIPTOR, plan.map((word) => `${word}\0`).join(''));
}

try {
  main();
} catch (error) {
  if (!(error instanceof ArgumentError || error instanceof JailerError)) throw error;
  const prefix = error instanceof ArgumentError ? 'Failed to parse arguments: ' : '';
  process.stderr.write(`${prefix}${error.message}\n`);
  process.exitCode = 1;
}
