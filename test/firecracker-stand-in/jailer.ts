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
 * Control groups are not made.
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
import { osError } from '../../src/sim/firecracker/fault.ts';
import {
  jailedWords,
  JailerError,
  jailerComplaint,
  jailFolders,
  jailNodes,
  readJailRequest,
} from '../../src/sim/firecracker/jailer-line.ts';
import type { JailRequest } from '../../src/sim/firecracker/jailer-line.ts';
import { formatVersion } from '../../src/sim/firecracker/version.ts';
import { readSettings } from './settings.ts';

/** Where the shell reads what to run. */
const PLAN_DESCRIPTOR = 3;
/** As prlimit(1) names them. */
const limitNames = { fsize: 'fsize', 'no-file': 'nofile' } as const;

interface Jail extends JailRequest {
  readonly program: string;
  readonly root: string;
}

function main(): void {
  const request = readJailRequest(process.argv.slice(2));
  const { version } = readSettings(process.env);
  if (request === null) {
    process.stdout.write(`Jailer v${formatVersion(version)}\n\n`);
    return;
  }
  const jail = findJail(request);
  const before = [...netnsWords(jail), ...limitWords(jail)];
  layOut(jail);
  tellShell(jail, before);
}

/** @throws JailerError in the words of the jailer. */
function findJail(request: JailRequest): Jail {
  const program = canonical(request.execFile);
  if (!statSync(program).isFile()) throw new JailerError(`${program} is not a file`);
  const base = canonical(request.base);
  if (!statSync(base).isDirectory()) throw new JailerError(`${base} is not a directory`);
  return { ...request, program, root: join(base, basename(program), request.id, 'root') };
}

function canonical(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw new JailerError(`Failed to canonicalize path ${path}: ${osError(error)}`);
  }
}

function netnsWords({ netns }: JailRequest): readonly string[] {
  if (netns === null) return [];
  if (!existsSync(netns)) {
    throw new JailerError(`Failed to open file ${netns}: No such file or directory (os error 2)`);
  }
  return ['nsenter', `--net=${netns}`];
}

function limitWords({ limits }: JailRequest): readonly string[] {
  const words = limits.map(({ name, value }) => `--${limitNames[name]}=${value}:${value}`);
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
    for (const folder of jailFolders) {
      mkdirSync(join(root, folder), { recursive: true });
      chmodSync(join(root, folder), 0o700);
      own(join(root, folder));
    }
  } catch (error) {
    throw new JailerError(`Failed to create directory ${root}: ${osError(error)}`);
  }
  for (const [path, major, minor] of jailNodes) {
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
function tellShell(jail: Jail, before: readonly string[]): void {
  const how = jail.isDaemon ? 'daemon' : jail.hasPidNamespace ? 'detach' : 'becomes';
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
    ...[jail.program, ...jailedWords(jail, nowUs)],
  ];
  writeSync(PLAN_DESCRIPTOR, plan.map((word) => `${word}\0`).join(''));
}

try {
  main();
} catch (error) {
  const complaint = jailerComplaint(error);
  if (complaint === null) throw error;
  process.stderr.write(`${complaint}\n`);
  process.exitCode = 1;
}
