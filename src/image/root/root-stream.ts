/** The tar stream of a whole root file system, from packages. */
import { defined } from '../../base/assert.ts';
import { readTar } from '../build/tar-reader.ts';
import { toolStream } from '../build/tool.ts';
import { dpkgDatabase, packageControl } from './dpkg-database.ts';
import { md5 } from './md5.ts';
import { isExcluded, mergedLinks, mergedPath } from './root-paths.ts';
import { readContent, RootTree } from './root-tree.ts';
import { isTemplate, leadingLinks, systemFiles } from './system-files.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Env } from '../../env/env.ts';
import type { Architecture } from '../../snapshot/metadata.ts';
import type { TarHeader } from '../build/tar-format.ts';
import type { InstalledPackage, PackageControl } from './dpkg-database.ts';
import type { OwnEntry } from './root-tree.ts';
import type { SystemRecipe } from './system-files.ts';

/** A package of which the control archive was read. */
export interface ReadPackage {
  readonly path: string;
  readonly control: PackageControl;
  readonly newestSeconds: number;
}

export interface RootRequest {
  readonly architecture: Architecture;
  /** In the order in which they are laid down. */
  readonly packages: readonly ReadPackage[];
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
  const tree = new RootTree(newestSeconds(request.packages));
  const templates = new Map<string, Bytes>();
  const installed: InstalledPackage[] = [];
  for (const link of leadingLinks(mergedLinks(request.architecture))) yield* tree.addOwn(link);
  for (const [index, { path, control }] of request.packages.entries()) {
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

/**
 * Reads what packages say about themselves. Their control archives have the time of each package's last change, which
 * is also the newest time of its files: packages are reproducible in this.
 */
export async function readPackages(
  env: Env,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly ReadPackage[]> {
  const packages: ReadPackage[] = [];
  for (const path of paths) {
    const members = new Map<string, Bytes>();
    let newest = 0;
    const run = { command: 'dpkg-deb', args: ['--ctrl-tarfile', path], signal };
    for await (const { header, content } of readTar(toolStream(env, run))) {
      newest = Math.max(newest, header.modifiedSeconds);
      if (header.kind !== 'file') continue;
      members.set(defined(header.path.split('/').at(-1), 'member name'), await readContent(content, header));
    }
    packages.push({ path, control: packageControl(members), newestSeconds: newest });
  }
  return packages;
}

/** The time of the last change in all packages. */
export function newestSeconds(packages: readonly ReadPackage[]): number {
  return packages.reduce((newest, item) => Math.max(newest, item.newestSeconds), 0);
}

function byName(a: InstalledPackage, b: InstalledPackage): number {
  return a.control.name < b.control.name ? -1 : 1;
}
