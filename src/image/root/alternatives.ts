/** update-alternatives(1): links through `/etc/alternatives`, and its records, for the programs of a base system. */
import { utf8 } from '../../base/bytes.ts';
import type { OwnEntry, RootTree } from './root-tree.ts';

interface Alternative {
  readonly name: string;
  readonly link: string;
  /** Best first. */
  readonly choices: readonly {
    readonly path: string;
    readonly priority: number;
    readonly slaves: readonly string[];
  }[];
  /** Links that follow the choice; each choice names their targets in this order. */
  readonly slaves: readonly { readonly name: string; readonly link: string }[];
}

const known: readonly Alternative[] = [
  {
    name: 'awk',
    link: 'usr/bin/awk',
    slaves: [{ name: 'nawk', link: 'usr/bin/nawk' }],
    choices: [{ path: 'usr/bin/mawk', priority: 5, slaves: ['usr/bin/mawk'] }],
  },
  {
    name: 'pager',
    link: 'usr/bin/pager',
    slaves: [],
    choices: [
      { path: 'usr/bin/less', priority: 77, slaves: [] },
      { path: 'usr/bin/more', priority: 50, slaves: [] },
    ],
  },
  {
    name: 'rmt',
    link: 'usr/sbin/rmt',
    slaves: [],
    choices: [{ path: 'usr/sbin/rmt-tar', priority: 50, slaves: [] }],
  },
  {
    name: 'which',
    link: 'usr/bin/which',
    slaves: [],
    choices: [{ path: 'usr/bin/which.debianutils', priority: 0, slaves: [] }],
  },
];

/** Entries for those whose programs are in the tree. */
export function alternatives(tree: RootTree): readonly OwnEntry[] {
  return known.flatMap((alternative) => {
    const choices = alternative.choices.filter((choice) => tree.has(choice.path));
    const [best] = choices;
    if (best === undefined || tree.has(alternative.link)) return [];
    return [
      ...linkThrough(alternative.name, alternative.link, best.path),
      ...alternative.slaves.flatMap((slave, index) =>
        linkThrough(slave.name, slave.link, best.slaves[index] ?? best.path),
      ),
      {
        kind: 'file',
        path: `var/lib/dpkg/alternatives/${alternative.name}`,
        content: utf8(record({ ...alternative, choices })),
      },
    ];
  });
}

function linkThrough(name: string, link: string, target: string): readonly OwnEntry[] {
  return [
    { kind: 'symlink', path: `etc/alternatives/${name}`, target: `/${target}` },
    { kind: 'symlink', path: link, target: `/etc/alternatives/${name}` },
  ];
}

/** The record's text: mode, link, slaves, an empty line, choices with their slaves, an empty line. */
function record(alternative: Alternative): string {
  const slaves = alternative.slaves.flatMap((slave) => [slave.name, `/${slave.link}`]);
  const choices = alternative.choices
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .flatMap((choice) => [
      `/${choice.path}`,
      String(choice.priority),
      ...choice.slaves.map((path) => `/${path}`),
    ]);
  return ['auto', `/${alternative.link}`, ...slaves, '', ...choices, '', ''].join('\n');
}
