/**
 * The arrows between the folders of `src/`, as data. A folder may import itself and what its row names, nothing else.
 *
 *     cli  web            bin: the composition root, may import everything
 *     daemon              sim: a simulated world, may import everything but the real one
 *     teleport
 *     checkpoint
 *     vm  image
 *     store  guest
 *     snapshot
 *     env                 env/node: the real world, imported by bin and tests only
 *     base
 */
import { importsOf, type Import } from './imports.ts';
import { isTestFile, type Finding, type SourceFile } from './source-file.ts';

const belowStore = ['base', 'env', 'snapshot'] as const;
const belowVm = [...belowStore, 'store', 'guest'] as const;
const belowCheckpoint = [...belowVm, 'image', 'vm'] as const;
const belowTeleport = [...belowCheckpoint, 'checkpoint'] as const;
const belowDaemon = [...belowTeleport, 'teleport'] as const;

const mayImport: Readonly<Record<string, readonly string[]>> = {
  base: [],
  env: ['base'],
  'env/node': ['base', 'env'],
  snapshot: ['base', 'env'],
  store: belowStore,
  guest: belowStore,
  image: belowVm,
  vm: belowVm,
  checkpoint: belowCheckpoint,
  teleport: belowTeleport,
  daemon: belowDaemon,
  // The CLI talks to the daemon over its API; `daemon/api` has the types of it, `daemon/main.ts` is what `serve` starts.
  cli: ['base', 'env', 'daemon/api', 'daemon/main.ts', 'sim'],
  web: ['base', 'env', 'daemon/api'],
  sim: ['base', 'env', ...belowDaemon, 'daemon', 'cli'],
  bin: ['base', 'env', 'env/node', ...belowDaemon, 'daemon', 'cli', 'web', 'sim'],
};

/** Types alone are erased, so they bring no code along: what the CLI may name of the layers that its daemon runs. */
const mayImportTypes: Readonly<Record<string, readonly string[]>> = {
  cli: ['snapshot', 'guest'],
  web: ['snapshot', 'guest'],
};

/** What the program's entry for other programs, `src/index.ts`, may show. */
const indexMayImport = ['env/node', ...belowDaemon];

const backends = ['qemu', 'firecracker', 'vz', 'sim'] as const;
const simCommandPattern = /^src\/cli\/(?:commands\/)?sim\b/;

/** Pure modules of Node; everything else of Node is the world, and comes through `Env`. */
const pureNodeModules = new Set(['node:path', 'node:path/posix', 'node:util']);

/** Packages that belong to some folders only. */
const packageFolders: Readonly<Record<string, readonly string[]>> = {
  'age-encryption': ['env/node'],
  commander: ['cli'],
  hono: ['daemon', 'web'],
  pino: ['daemon', 'env/node', 'bin'],
  'fast-check': [],
};

/** The folder of `src/` that a path belongs to; `env/node` counts as one. */
function folderOf(path: string): string {
  if (path.startsWith('src/env/node/')) return 'env/node';
  const [root, folder, rest] = path.split('/');
  return root === 'src' && folder !== undefined && rest !== undefined ? folder : '';
}

function backendOf(path: string): string | undefined {
  const folder = /^src\/vm\/([^/]+)\//.exec(path)?.[1];
  return backends.find((backend) => backend === folder);
}

function isUnder(path: string, prefix: string): boolean {
  if (prefix === 'env' && path.startsWith('src/env/node/')) return false;
  const full = `src/${prefix}`;
  return path === full || path.startsWith(`${full}/`) || path === `${full}.ts`;
}

/** Why `from` must not import `target`, or undefined when it may. */
function relativeImportFault(from: string, { target, clause }: Import): string | undefined {
  if (!target.startsWith('src/')) return 'src/ imports nothing outside src/';
  const folder = folderOf(from);
  const targetFolder = folderOf(target);
  const backend = backendOf(from);
  const targetBackend = backendOf(target);
  if (backend !== undefined && targetBackend !== undefined && backend !== targetBackend) {
    return `backends never import each other: move what ${backend} and ${targetBackend} share to src/vm/`;
  }
  if (targetFolder === 'sim' && folder === 'cli' && !simCommandPattern.test(from)) {
    return 'only tests and the sim command import the simulator';
  }
  const types = clause.startsWith('type ') ? (mayImportTypes[folder] ?? []) : [];
  const allowed = from === 'src/index.ts' ? indexMayImport : [...(mayImport[folder] ?? []), ...types];
  if (folder !== '' && folder === targetFolder) return undefined;
  if (allowed.some((prefix) => isUnder(target, prefix))) return undefined;
  if (targetFolder === 'env/node') return 'only bin and tests create the world: take an Env as an argument';
  const list = allowed.length === 0 ? 'nothing' : allowed.join(', ');
  return `${folder || from} may import ${list}; move the code down, or take it as an argument`;
}

function packageImportFault(from: string, found: Import): string | undefined {
  const folder = folderOf(from);
  const isWorld = folder === 'env/node' || folder === 'bin';
  if (found.target.startsWith('node:')) {
    if (isWorld) return undefined;
    if (!pureNodeModules.has(found.target)) return `use env, not ${found.target}: only src/env/node does I/O`;
    const isResolve = /\bresolve\b/.test(found.clause);
    return isResolve ? 'use path.join: path.resolve reads the working directory' : undefined;
  }
  const name = found.target.split('/')[0] ?? '';
  const folders = packageFolders[name];
  if (folders === undefined || folders.includes(folder)) return undefined;
  return `the package ${name} belongs to ${folders.join(', ') || 'tests'}`;
}

/** The layer arrows, the boundary to Node and the homes of packages. Tests may also import the real and the simulated world. */
export function checkLayers(file: SourceFile): readonly Finding[] {
  if (!file.path.startsWith('src/') || !file.path.endsWith('.ts')) return [];
  if (isTestFile(file.path)) return [];
  const findings: Finding[] = [];
  for (const found of importsOf(file)) {
    const fault = found.isRelative
      ? relativeImportFault(file.path, found)
      : packageImportFault(file.path, found);
    if (fault === undefined) continue;
    findings.push({ path: file.path, line: found.line, rule: 'layers', message: fault });
  }
  return findings;
}
