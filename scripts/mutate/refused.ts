/**
 * Which mutants nobody could commit: the compiler refuses them, or the linter's rules on promises do, which is what notices most of the `await`s that are dropped. Each mutant is
 * a file of its own beside the one that it is of, in a copy of the sources, so that one run of each tool judges them all.
 */
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runNode } from '../run-node.ts';
import { alone } from './mutants.ts';
import type { Mutant } from './mutants.ts';

/** What only a dropped statement used would be dropped with it. */
const unused: ReadonlySet<string> = new Set(['TS6133', 'TS6192', 'TS6196', 'TS6198']);
/** As in `.oxlintrc.json`. */
const lintConfig = {
  plugins: ['typescript'],
  options: { typeAware: true },
  categories: { correctness: 'off' },
  rules: {
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/return-await': ['error', 'error-handling-correctness-only'],
  },
} as const;

/** @param sources that the mutants are of, by path. @returns by which tool each is refused, by its id. */
export async function findRefused(
  sources: ReadonlyMap<string, string>,
  mutants: readonly Mutant[],
): Promise<ReadonlyMap<number, string>> {
  const directory = await mkdtemp(join(tmpdir(), 'kelpie-mutants-'));
  try {
    await cp(join(root, 'src'), join(directory, 'src'), { recursive: true });
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
    await cp(join(root, 'package.json'), join(directory, 'package.json'));
    const config = { extends: join(root, 'tsconfig.json'), include: ['src/**/*.ts'] };
    await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(config));
    await writeFile(join(directory, '.oxlintrc.json'), JSON.stringify(lintConfig));
    for (const [file, text] of sources) {
      await writeFile(join(directory, placeOf(file, 'none')), text);
      for (const mutant of mutants)
        if (mutant.file === file)
          await writeFile(join(directory, placeOf(file, mutant.id)), alone(text, mutant));
    }
    return new Map([...(await lint(directory)), ...(await compile(directory))]);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function placeOf(file: string, id: number | 'none'): string {
  return file.replace(/\.ts$/, `.mutant-${id}.ts`);
}

async function compile(directory: string): Promise<ReadonlyMap<number, string>> {
  const { output } = await runNode({
    args: [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory, '--pretty', 'false'],
    isShown: false,
  });
  const complaints = output.matchAll(/^(?<path>\S+?)\(\d+,\d+\): error (?<code>TS\d+): (?<text>.*)$/gm);
  return refusedBy(
    'the compiler',
    [...complaints].filter(({ groups }) => !unused.has(groups?.['code'] ?? '')),
  );
}

async function lint(directory: string): Promise<ReadonlyMap<number, string>> {
  const { output } = await runNode({
    args: [
      join(root, 'node_modules/oxlint/bin/oxlint'),
      ...['-c', join(directory, '.oxlintrc.json'), '-f', 'unix', directory],
    ],
    isShown: false,
  });
  return refusedBy('the linter', [...output.matchAll(/^(?<path>\S+?):\d+:\d+: (?<text>.*)$/gm)]);
}

/** What is said of an exact copy too comes of there being two. */
function refusedBy(tool: string, complaints: readonly RegExpExecArray[]): ReadonlyMap<number, string> {
  const saidOfCopies = new Set<string>();
  const said: { readonly id: string; readonly what: string }[] = [];
  for (const { groups } of complaints) {
    const { path = '', text = '' } = groups ?? {};
    const id = /\.mutant-(?<id>\d+|none)\.ts$/.exec(path)?.groups?.['id'];
    if (id === undefined) continue;
    const what = `${path} ${text}`.replaceAll(`.mutant-${id}`, '');
    if (id === 'none') saidOfCopies.add(what);
    else said.push({ id, what });
  }
  return new Map(said.filter(({ what }) => !saidOfCopies.has(what)).map(({ id }) => [Number(id), tool]));
}
