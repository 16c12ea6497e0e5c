/** Which files of a package go into the root file system, and where. */
import type { TarHeader } from '../build/tar-format.ts';

/** Folders of `/` that Debian has merged into `/usr`; packages older than that still name them. */
const mergedDirectories = new Set(['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libo32', 'libx32']);

/** The links that stand for them. x86_64 programs name their loader under `/lib64`. */
export function mergedLinks(architecture: 'x86_64' | 'arm64'): readonly string[] {
  return architecture === 'x86_64' ? ['bin', 'lib', 'lib64', 'sbin'] : ['bin', 'lib', 'sbin'];
}

/**
 * Where a package's path lies once `/bin`, `/lib` … are links into `/usr`. The links themselves stay: newer releases
 * ship them in a package.
 */
export function mergedPath(path: string, kind: TarHeader['kind']): string {
  const [first = ''] = path.split('/', 1);
  const isLinkItself = kind === 'symlink' && path === first;
  return mergedDirectories.has(first) && !isLinkItself ? `usr/${path}` : path;
}

/**
 * What is left out for size, as patterns of dpkg.cfg's `path-exclude`; the same text goes into the image, so that
 * packages which a user installs or upgrades are treated alike. Licences stay (`path-include`).
 */
export const pathExcludes = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/info/*',
  '/usr/share/locale/*',
  '/usr/share/lintian/*',
  '/usr/share/linda/*',
  '/usr/share/bug/*',
  '/usr/share/groff/*',
] as const;
export const pathIncludes = ['/usr/share/doc/*/copyright', '/usr/share/locale/locale.alias'] as const;

const prefixes = pathExcludes.map((pattern) => pattern.slice(1, -1));
const licence = /^usr\/share\/doc\/[^/]+\/copyright$/;
const packageDocumentation = /^usr\/share\/doc\/[^/]+$/;

/** True for what is left out. A package's whole documentation may be a link to another's, whose licence it shares. */
export function isExcluded(path: string, kind: TarHeader['kind']): boolean {
  if (!prefixes.some((prefix) => path.startsWith(prefix))) return false;
  if (kind === 'symlink' && packageDocumentation.test(path)) return false;
  return !licence.test(path) && path !== 'usr/share/locale/locale.alias';
}
