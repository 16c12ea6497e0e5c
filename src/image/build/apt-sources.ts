/**
 * Which package archives an image is built from: those of the host's own release, and nothing else that the host has
 * configured (a vendor's archive has no place in a base image, and would make it another one on each host).
 */
import { KelpieError } from '../../base/errors.ts';
import { parseParagraphs, words } from './deb822.ts';

/** One archive; the fields are those of sources.list(5). */
export interface AptSource {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** A key ring's path, a fingerprint or an inline key; null: apt's trusted keys. */
  readonly signedBy: string | null;
}

export interface Distribution {
  /** ID of os-release: `debian`, `ubuntu`. */
  readonly id: string;
  /** VERSION_CODENAME of os-release. */
  readonly release: string;
}

/** What the host is. @throws KelpieError `image_build_failed` when it is not a Debian or a descendant. */
export function parseOsRelease(text: string): Distribution {
  const value = (name: string): string => new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  const distribution = { id: value('ID'), release: value('VERSION_CODENAME') };
  if (distribution.id === '' || distribution.release === '') {
    throw new KelpieError(
      'image_build_failed',
      'This host does not say which Debian release it is; give a package sources file.',
    );
  }
  return distribution;
}

/** Sources of one file: `.sources` (deb822) or `.list` (one line each). Disabled ones and source packages are left out. */
export function parseSources(text: string, format: 'deb822' | 'list'): readonly AptSource[] {
  return format === 'deb822' ? parseDeb822(text) : parseList(text);
}

/** The format of a sources file, by its contents: in deb822 the first field comes with a colon. */
export function sourcesFormat(text: string): 'deb822' | 'list' {
  return text.split('\n').some((line) => /^\s*deb(-src)?\s/.test(line)) ? 'list' : 'deb822';
}

/** Those of the host's sources that belong to the release itself. */
export function releaseSources(sources: readonly AptSource[], release: string): readonly AptSource[] {
  const wanted = new Set([release, `${release}-updates`, `${release}-security`, `${release}/updates`]);
  return sources.flatMap((source) => {
    const suites = source.suites.filter((suite) => wanted.has(suite));
    const isOurs = suites.length > 0 && source.components.includes('main');
    return isOurs ? [{ ...source, suites }] : [];
  });
}

/** deb822 text for the build's own apt. */
export function formatSources(sources: readonly AptSource[]): string {
  return sources.map(formatSource).join('\n');
}

/**
 * deb822 text for `/etc/apt` in the image. Passwords in URIs stay behind, and so do paths of the host's key rings: the
 * distribution's own keys are in the image, where apt trusts them.
 */
export function formatGuestSources(sources: readonly AptSource[]): string {
  const neutral = sources.map((source) => ({
    ...source,
    uris: source.uris.filter((uri) => /^https?:/.test(uri)).map((uri) => uri.replace(/\/\/[^/@]*@/, '//')),
    signedBy: null,
  }));
  return formatSources(neutral.filter((source) => source.uris.length > 0));
}

function formatSource(source: AptSource): string {
  const lines = [
    'Types: deb',
    `URIs: ${source.uris.join(' ')}`,
    `Suites: ${source.suites.join(' ')}`,
    `Components: ${source.components.join(' ')}`,
  ];
  if (source.signedBy !== null) lines.push(`Signed-By: ${source.signedBy}`);
  return `${lines.join('\n')}\n`;
}

function parseDeb822(text: string): readonly AptSource[] {
  return parseParagraphs(text).flatMap((paragraph) => {
    const isEnabled = !['no', 'false', 'off', '0'].includes(
      (paragraph.get('enabled') ?? 'yes').toLowerCase(),
    );
    if (!isEnabled || !words(paragraph, 'types').includes('deb')) return [];
    const source = {
      uris: words(paragraph, 'uris'),
      suites: words(paragraph, 'suites'),
      components: words(paragraph, 'components'),
      signedBy: paragraph.get('signed-by') ?? null,
    };
    return source.uris.length > 0 && source.suites.length > 0 ? [source] : [];
  });
}

function parseList(text: string): readonly AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)((?:\s+[^#\s]+)*)/.exec(line);
    const [, options = '', uri, suite, components = ''] = match ?? [];
    if (uri === undefined || suite === undefined) return [];
    return [
      {
        uris: [uri],
        suites: [suite],
        components: components.split(/\s+/).filter((word) => word !== ''),
        signedBy: /(?:^|\s)signed-by=(\S+)/.exec(options)?.[1] ?? null,
      },
    ];
  });
}
