/** The tar stream of a whole root file system, from packages. */
import { concat } from '../../base/bytes.ts';
import { defined } from '../../base/assert.ts';
import { readTar } from '../build/tar-reader.ts';
import { toolStream } from '../build/tool.ts';
import { dpkgDatabase, packageControl } from './dpkg-database.ts';
import { md5 } from './md5.ts';
import { isExcluded, mergedLinks, mergedPath } from './root-paths.ts';
import { RootTree } from './root-tree.ts';
import { isTemplate, leadingLinks, systemFiles } from './system-files.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Env } from '../../env/env.ts';
import type { Architecture } from '../../snapshot/metadata.ts';
import type { TarHeader } from '../build/tar-format.ts';
import type { InstalledPackage, PackageControl } from './dpkg-database.ts';
import type { OwnEntry } from './root-tree.ts';
import type { SystemRecipe } from './system-files.ts';

export interface RootRequest {
  readonly architecture: Architecture;
  /** Paths of the packages' files, in the order in which they are laid down. */
  readonly packagePaths: readonly string[];
  /** Names that were asked for, not pulled in. */
  readonly requested: ReadonlySet<string>;
  readonly recipe: SystemRecipe;
  /** Entries that are neither a package's nor the system's. */
  readonly extra: readonly OwnEntry[];
  /** Told after each package, by its place. */
  readonly onPackage: (index: number) => void;
  readonly signal: AbortSignal;
}

/** Yields the stream and nothing else: it is what `mksquashfs` reads. */
export async function* rootStream(env: Env, request: RootRequest): AsyncGenerator<Bytes, void> {
  const tree = new RootTree();
  const templates = new Map<string, Bytes>();
  const installed: InstalledPackage[] = [];
  for (const link of leadingLinks(mergedLinks(request.architecture))) yield* tree.addOwn(link);
  for (const [index, path] of request.packagePaths.entries()) {
    const control = await readControl(env, path, request.signal);
    const seen: PackageFiles = { paths: [], conffileSums: new Map() };
    yield* packageFiles(env, { path, control, seen, tree, templates, signal: request.signal });
    installed.push({ control, ...seen });
    request.onPackage(index);
  }
  const own = [
    ...systemFiles(tree, templates, request.recipe),
    ...dpkgDatabase(installed.toSorted(byName), request.requested),
    ...request.extra,
  ];
  for (const entry of own) yield* tree.addOwn(entry);
  yield tree.end();
}

interface PackageFiles {
  readonly paths: string[];
  readonly conffileSums: Map<string, string>;
}

interface PackageWork {
  readonly path: string;
  readonly control: PackageControl;
  readonly seen: PackageFiles;
  readonly tree: RootTree;
  readonly templates: Map<string, Bytes>;
  readonly signal: AbortSignal;
}

async function* packageFiles(env: Env, work: PackageWork): AsyncGenerator<Bytes, void> {
  const conffiles = new Set(work.control.conffiles);
  const run = { command: 'dpkg-deb', args: ['--fsys-tarfile', work.path], signal: work.signal };
  for await (const entry of readTar(toolStream(env, run))) {
    const named = entry.header.path;
    if (named !== '') work.seen.paths.push(`/${named}`);
    if (isExcluded(named, entry.header.kind)) continue;
    const header = placed(entry.header);
    const keep = (content: Bytes): void => {
      if (isTemplate(header.path)) work.templates.set(header.path, content);
      if (conffiles.has(`/${named}`)) work.seen.conffileSums.set(`/${named}`, md5(content));
    };
    const isKept = isTemplate(header.path) || conffiles.has(`/${named}`);
    yield* work.tree.addPackageEntry(entry, header, isKept ? keep : null);
  }
}

/** The header with its paths where they lie in the merged tree. */
function placed(header: TarHeader): TarHeader {
  return {
    ...header,
    path: mergedPath(header.path, header.kind),
    linkTarget: header.kind === 'hardlink' ? mergedPath(header.linkTarget, 'file') : header.linkTarget,
  };
}

async function readControl(env: Env, path: string, signal: AbortSignal): Promise<PackageControl> {
  const members = new Map<string, Bytes>();
  const run = { command: 'dpkg-deb', args: ['--ctrl-tarfile', path], signal };
  for await (const { header, content } of readTar(toolStream(env, run))) {
    if (header.kind !== 'file') continue;
    const parts: Bytes[] = [];
    for await (const part of content) parts.push(part.slice());
    members.set(defined(header.path.split('/').at(-1), 'member name'), concat(parts));
  }
  return packageControl(members);
}

function byName(a: InstalledPackage, b: InstalledPackage): number {
  return a.control.name < b.control.name ? -1 : 1;
}
