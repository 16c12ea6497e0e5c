/**
 * dpkg's own records (`/var/lib/dpkg`, see dpkg(1) and deb-triggers(5)) as they are after a real installation, so that
 * a user can go on with apt inside a VM.
 */
import { fromUtf8Lossy, utf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { parseParagraphs } from '../build/deb822.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { OwnEntry } from './root-tree.ts';

/** What a package brings beside its files. */
export interface PackageControl {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly isMultiArchSame: boolean;
  readonly isEssential: boolean;
  /** Absolute paths. */
  readonly conffiles: readonly string[];
  /** Members of the control archive by name: `control`, `postinst`, `md5sums` … */
  readonly members: ReadonlyMap<string, Bytes>;
  /** The `control` paragraph. */
  readonly paragraph: string;
}

export interface InstalledPackage {
  readonly control: PackageControl;
  /** Every path of the package as it names it, absolute, in the package's order. */
  readonly paths: readonly string[];
  /** MD5 of each configuration file by its absolute path. */
  readonly conffileSums: ReadonlyMap<string, string>;
}

const executables = new Set(['preinst', 'postinst', 'prerm', 'postrm', 'config']);
const directory = 'var/lib/dpkg';

/** Reads a package's control archive. */
export function packageControl(members: ReadonlyMap<string, Bytes>): PackageControl {
  const text = memberText(members, 'control').trim();
  const [fields] = parseParagraphs(text);
  const name = fields?.get('package');
  const version = fields?.get('version');
  const architecture = fields?.get('architecture');
  if (fields === undefined || name === undefined || version === undefined || architecture === undefined) {
    throw new KelpieError('image_build_failed', 'A package does not say its name, version and architecture.');
  }
  return {
    name,
    version,
    architecture,
    isMultiArchSame: fields.get('multi-arch') === 'same',
    isEssential: fields.get('essential') === 'yes',
    conffiles: memberText(members, 'conffiles')
      .split('\n')
      .filter((line) => line.startsWith('/')),
    members,
    paragraph: text,
  };
}

/** The files of the database. `requested` are the packages that were asked for by name: others leave with `autoremove`. */
export function dpkgDatabase(
  packages: readonly InstalledPackage[],
  requested: ReadonlySet<string>,
): readonly OwnEntry[] {
  const file = (path: string, text: string): OwnEntry => ({ kind: 'file', path, content: utf8(text) });
  return [
    file(`${directory}/status`, packages.map(statusParagraph).join('\n')),
    file(`${directory}/available`, ''),
    file(`${directory}/diversions`, ''),
    file(`${directory}/statoverride`, ''),
    file(`${directory}/info/format`, '1\n'),
    ...packages.flatMap(infoFiles),
    ...triggerFiles(packages),
    // Where it is missing, dpkg runs every trigger there is at its next start: minutes under emulation.
    file(`${directory}/triggers/Unincorp`, ''),
    file(
      'var/lib/apt/extended_states',
      packages.map((installed) => extendedState(installed, requested)).join(''),
    ),
  ];
}

function statusParagraph({ control, conffileSums }: InstalledPackage): string {
  const [first = '', ...rest] = control.paragraph.split('\n');
  const lines = [first, 'Status: install ok installed', ...rest];
  const sums = control.conffiles.flatMap((path) => {
    const sum = conffileSums.get(path);
    return sum === undefined ? [] : [` ${path} ${sum}`];
  });
  if (sums.length > 0) lines.push('Conffiles:', ...sums);
  return `${lines.join('\n')}\n`;
}

function infoFiles({ control, paths }: InstalledPackage): readonly OwnEntry[] {
  const prefix = `${directory}/info/${control.isMultiArchSame ? `${control.name}:${control.architecture}` : control.name}`;
  const members = [...control.members]
    .filter(([name]) => name !== 'control')
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [
    { kind: 'file', path: `${prefix}.list`, content: utf8(['/.', ...paths, ''].join('\n')) },
    ...members.map(([name, content]): OwnEntry => {
      return {
        kind: 'file',
        path: `${prefix}.${name}`,
        content,
        mode: executables.has(name) ? 0o755 : 0o644,
      };
    }),
  ];
}

function triggerFiles(packages: readonly InstalledPackage[]): readonly OwnEntry[] {
  const onPaths: string[] = [];
  const named = new Map<string, string[]>();
  for (const { control } of packages) {
    for (const line of memberText(control.members, 'triggers').split('\n')) {
      const match = /^\s*interest(-noawait|-await)?\s+(\S+)/.exec(line);
      const [, await_, trigger] = match ?? [];
      if (trigger === undefined) continue;
      const interested = `${control.name}${await_ === '-noawait' ? '/noawait' : ''}`;
      if (trigger.startsWith('/')) onPaths.push(`${trigger} ${interested}\n`);
      else named.set(trigger, [...(named.get(trigger) ?? []), `${interested}\n`]);
    }
  }
  return [['File', onPaths] as const, ...named].map(([name, lines]) => {
    return { kind: 'file', path: `${directory}/triggers/${name}`, content: utf8(lines.join('')) };
  });
}

function extendedState({ control }: InstalledPackage, requested: ReadonlySet<string>): string {
  if (control.isEssential || requested.has(control.name)) return '';
  return `Package: ${control.name}\nArchitecture: ${control.architecture}\nAuto-Installed: 1\n\n`;
}

function memberText(members: ReadonlyMap<string, Bytes>, name: string): string {
  const bytes = members.get(name);
  return bytes === undefined ? '' : fromUtf8Lossy(bytes);
}
