/** Reads what the host's apt is configured with. */
import { fromUtf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { listIfThere } from '../../env/list-if-there.ts';
import { isSystemError } from '../../env/system-error.ts';
import { SOURCES_FILE_BYTES_MAX } from '../limits.ts';
import { parseOsRelease, parseSources, releaseSources, sourcesFormat } from './apt-sources.ts';
import type { Files } from '../../env/files.ts';
import type { AptSource, Distribution } from './apt-sources.ts';

export interface ArchiveChoice {
  readonly distribution: Distribution;
  readonly sources: readonly AptSource[];
}

/**
 * The archives to build from: the host's own release, or what a given sources file names. The release of a given file
 * is its first suite; its distribution is the host's where that is one of apt's, else Debian.
 * @throws KelpieError `image_build_failed` when there are none.
 */
export async function chooseArchives(files: Files, sourcesPath: string | null): Promise<ArchiveChoice> {
  const osRelease = await readOptional(files, '/etc/os-release');
  if (sourcesPath !== null) return await givenArchives(files, sourcesPath, osRelease);
  if (osRelease === null) {
    throw new KelpieError(
      'image_build_failed',
      'Images are built on Debian or Ubuntu; on this host, fetch one from a store.',
    );
  }
  const distribution = parseOsRelease(osRelease);
  const sources = releaseSources(await hostSources(files), distribution.release);
  if (sources.length === 0) {
    throw new KelpieError(
      'image_build_failed',
      `This host's apt names no archive of ${distribution.release}; give a package sources file.`,
    );
  }
  return { distribution, sources };
}

async function givenArchives(files: Files, path: string, osRelease: string | null): Promise<ArchiveChoice> {
  const text = await readOptional(files, path);
  if (text === null) throw new KelpieError('file_not_found', `There is no package sources file ${path}.`);
  const sources = parseSources(text, sourcesFormat(text));
  const suite = sources[0]?.suites[0];
  if (suite === undefined)
    throw new KelpieError('invalid_argument', `${path} names no package archive; see sources.list(5).`);
  const isUbuntu = /^ID="?ubuntu/m.test(osRelease ?? '');
  return { distribution: { id: isUbuntu ? 'ubuntu' : 'debian', release: suite }, sources };
}

async function hostSources(files: Files): Promise<readonly AptSource[]> {
  const directory = '/etc/apt/sources.list.d';
  const names = (await listIfThere(files, directory))
    .filter((name) => /\.(list|sources)$/.test(name))
    .toSorted();
  const paths = ['/etc/apt/sources.list', ...names.map((name) => `${directory}/${name}`)];
  const sources: AptSource[] = [];
  for (const path of paths) {
    const text = await readOptional(files, path);
    if (text !== null) sources.push(...parseSources(text, path.endsWith('.sources') ? 'deb822' : 'list'));
  }
  return sources;
}

async function readOptional(files: Files, path: string): Promise<string | null> {
  try {
    return fromUtf8(await files.readFile(path, SOURCES_FILE_BYTES_MAX));
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
}
