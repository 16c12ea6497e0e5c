/**
 * What packages' installation scripts would make: files of `/etc`, the alternatives, links, the certificate bundle. No
 * script of a package is run, so no foreign machine, no chroot and no root is needed; what the scripts of the base
 * system do is known and small.
 */
import { concat, fromUtf8, utf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { accountFiles } from './accounts.ts';
import { alternatives } from './alternatives.ts';
import { pamFiles } from './pam-files.ts';
import { pathExcludes, pathIncludes } from './root-paths.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { OwnEntry, RootTree } from './root-tree.ts';

export interface SystemRecipe {
  /** MAJOR.MINOR.PATCH; the guest agent tells it. */
  readonly imageVersion: string;
  /** deb822 text of the archives that the image was built from. */
  readonly aptSources: string;
  readonly distribution: string;
}

/** Files of packages that `systemFiles` reads. */
export function isTemplate(path: string): boolean {
  return (
    path.startsWith('usr/share/base-passwd/') ||
    path.startsWith('usr/share/base-files/') ||
    path === 'usr/share/libc-bin/nsswitch.conf' ||
    isCertificate(path)
  );
}

function isCertificate(path: string): boolean {
  return path.startsWith('usr/share/ca-certificates/') && path.endsWith('.crt');
}

/** Links that must be there before any package's files: their names are folders in some packages. */
export function leadingLinks(mergedDirectories: readonly string[]): readonly OwnEntry[] {
  return [
    ...mergedDirectories.map((name): OwnEntry => ({ kind: 'symlink', path: name, target: `usr/${name}` })),
    { kind: 'symlink', path: 'var/run', target: '/run' },
    { kind: 'symlink', path: 'var/lock', target: '/run/lock' },
  ];
}

/** Our entries, to be added after all packages. */
export function systemFiles(
  tree: RootTree,
  templates: ReadonlyMap<string, Bytes>,
  recipe: SystemRecipe,
): readonly OwnEntry[] {
  return [
    ...accountFiles(
      templateText(templates, 'usr/share/base-passwd/passwd.master'),
      templateText(templates, 'usr/share/base-passwd/group.master'),
    ),
    ...baseFiles(templates),
    ...networkFiles(),
    ...packageManagerFiles(recipe),
    ...certificateFiles(templates),
    ...pamFiles(),
    ...alternatives(tree),
    { kind: 'file', path: 'etc/kelpie-image-version', content: utf8(`${recipe.imageVersion}\n`) },
  ];
}

function baseFiles(templates: ReadonlyMap<string, Bytes>): readonly OwnEntry[] {
  const copy = (from: string, path: string): OwnEntry[] => {
    const content = templates.get(from);
    return content === undefined ? [] : [{ kind: 'file', path, content }];
  };
  const directories = [
    'mnt',
    'srv',
    'opt',
    'media',
    'etc/opt',
    'var/opt',
    'usr/local/bin',
    'usr/local/sbin',
    'usr/local/lib',
    'usr/local/share',
    'usr/local/etc',
    'usr/local/include',
    'usr/local/src',
    'usr/local/games',
  ];
  return [
    ...directories.map((path): OwnEntry => ({ kind: 'directory', path })),
    { kind: 'directory', path: 'var/mail', mode: 0o2775, gid: 8 },
    { kind: 'symlink', path: 'var/spool/mail', target: '../mail' },
    ...copy('usr/share/base-files/dot.profile', 'root/.profile'),
    ...copy('usr/share/base-files/dot.bashrc', 'root/.bashrc'),
    ...copy('usr/share/base-files/profile', 'etc/profile'),
    ...copy('usr/share/libc-bin/nsswitch.conf', 'etc/nsswitch.conf'),
    { kind: 'file', path: 'var/log/wtmp', content: utf8(''), mode: 0o664, gid: 43 },
    { kind: 'file', path: 'var/log/btmp', content: utf8(''), mode: 0o660, gid: 43 },
    { kind: 'file', path: 'var/log/lastlog', content: utf8(''), mode: 0o664, gid: 43 },
    {
      kind: 'file',
      path: 'etc/shells',
      content: utf8('/bin/sh\n/bin/bash\n/usr/bin/bash\n/bin/dash\n/usr/bin/dash\n'),
    },
    { kind: 'file', path: 'etc/environment', content: utf8('') },
    { kind: 'file', path: 'etc/default/locale', content: utf8('LANG=C.UTF-8\n') },
    // Empty, as machine-id(5) asks of an image: each VM gets its own.
    { kind: 'file', path: 'etc/machine-id', content: utf8('') },
    { kind: 'symlink', path: 'etc/mtab', target: '../proc/self/mounts' },
    { kind: 'symlink', path: 'usr/lib/ssl', target: '/etc/ssl' },
  ];
}

function networkFiles(): readonly OwnEntry[] {
  const hosts = '127.0.0.1\tlocalhost\n127.0.1.1\tkelpie\n::1\tlocalhost ip6-localhost ip6-loopback\n';
  return [
    { kind: 'file', path: 'etc/hostname', content: utf8('kelpie\n') },
    { kind: 'file', path: 'etc/hosts', content: utf8(hosts) },
  ];
}

function packageManagerFiles(recipe: SystemRecipe): readonly OwnEntry[] {
  const excludes = [
    ...pathExcludes.map((path) => `path-exclude ${path}`),
    ...pathIncludes.map((path) => `path-include ${path}`),
  ];
  return [
    {
      kind: 'file',
      path: `etc/apt/sources.list.d/${recipe.distribution}.sources`,
      content: utf8(recipe.aptSources),
    },
    {
      kind: 'file',
      path: 'etc/apt/apt.conf.d/90kelpie',
      content: utf8('APT::Install-Recommends "false";\nAcquire::Languages "none";\n'),
    },
    {
      kind: 'file',
      path: 'etc/dpkg/dpkg.cfg.d/kelpie',
      content: utf8(`# Documentation is left out of base images.\n${excludes.join('\n')}\n`),
    },
    { kind: 'symlink', path: 'etc/dpkg/origins/default', target: recipe.distribution },
  ];
}

/** The bundle and the list that `update-ca-certificates` would write; it makes the rest when a user runs it. */
function certificateFiles(templates: ReadonlyMap<string, Bytes>): readonly OwnEntry[] {
  const certificates = [...templates]
    .filter(([path]) => isCertificate(path))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const names = certificates.map(([path]) => path.slice('usr/share/ca-certificates/'.length));
  const newline = utf8('\n');
  const bundle = concat(
    certificates.flatMap(([, content]) => (content.at(-1) === 0x0a ? [content] : [content, newline])),
  );
  return [
    { kind: 'file', path: 'etc/ca-certificates.conf', content: utf8(`${names.join('\n')}\n`) },
    { kind: 'file', path: 'etc/ssl/certs/ca-certificates.crt', content: bundle },
  ];
}

function templateText(templates: ReadonlyMap<string, Bytes>, path: string): string {
  const content = templates.get(path);
  if (content === undefined)
    throw new KelpieError('image_build_failed', `No package has brought /${path}; is base-passwd missing?`);
  return fromUtf8(content);
}
