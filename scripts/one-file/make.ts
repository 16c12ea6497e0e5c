/**
 * The file begins with what it was made of. As long as all of that has the same size and date, it runs; else the sources do:
 *
 *     inputs unchanged? ──yes──▶ the modules, in this file
 *            └──no──▶ import('../../src/bin/kelpie.ts')
 */
import assert from 'node:assert/strict';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Plugin } from 'esbuild';

/** A source: its path from the root, its size in bytes, its date in ms. */
type Input = readonly [path: string, sizeBytes: number, modifiedMs: number];

export interface OneFileRequest {
  readonly root: string;
  /** Two folders below the root. */
  readonly path: string;
  /** There are no sources beside it. */
  readonly isFinal: boolean;
}

/** What modules take for their own place: the folder of those that ask is this one. */
const PLACE = 'src/env/node/one-file.ts';
const INPUTS_LINE = /^const oneFileInputs = (.*);$/m;
/** Where `INPUTS_LINE` is, with room to spare. */
const HEAD_CHARACTERS = 64 * 1024;

/** A third of all: zod's sentences in forty languages, of which only the English ones, which it asks for by themselves, are used. */
const withoutLanguages: Plugin = {
  name: 'without-languages',
  setup: (build) => {
    build.onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, () => ({ contents: 'export {};' }));
  },
};

/** @throws Error when a source does not compile, or needs to know its own place and is in another folder. */
export async function makeOneFile({ root, path, isFinal }: OneFileRequest): Promise<void> {
  // Most of the time nothing is made.
  const { build } = await import('esbuild');
  // Before it is read: a source that changes meanwhile is not the one that was looked at.
  const looks = await Promise.all(causesIn(root).map((cause) => lookAt(root, cause)));
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/bin/command-line.ts'],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    define: { 'import.meta.url': 'oneFilePlaceUrl' },
    // Half of what is read, and of what V8 keeps of it, at each start. Names stay, for whoever reads a stack.
    minifyWhitespace: true,
    minifySyntax: true,
    plugins: [withoutLanguages],
    logLevel: 'silent',
    metafile: true,
    write: false,
  });
  const sources = new Set(Object.keys(metafile.inputs).filter((source) => source.startsWith('src/')));
  for (const source of sources) await checkPlace(root, source);
  const inputs = isFinal ? [] : looks.filter(([cause]) => !cause.startsWith('src/') || sources.has(cause));
  const modules = outputFiles[0]?.text;
  assert.ok(modules !== undefined);
  await mkdir(dirname(path), { recursive: true });
  // In one step: a command that starts now reads the old file or the new one.
  await writeFile(`${path}.new`, fileText(inputs, modules));
  await rename(`${path}.new`, path);
}

/** Whether the file is there, and its sources are those that it was made of. */
export function isFresh(path: string): boolean {
  const root = join(dirname(path), '../..');
  let head: string;
  try {
    head = readFileSync(path, 'utf8').slice(0, HEAD_CHARACTERS);
  } catch {
    return false;
  }
  const inputs = INPUTS_LINE.exec(head)?.[1];
  if (inputs === undefined) return false;
  const parsed: unknown = JSON.parse(inputs);
  assert.ok(Array.isArray(parsed));
  return parsed.every((input: unknown) => {
    assert.ok(Array.isArray(input));
    const found = statSync(join(root, String(input[0])), { throwIfNoEntry: false });
    return found?.size === input[1] && found?.mtimeMs === input[2];
  });
}

/** What it may be made of: the sources, the libraries, and this program. */
function causesIn(root: string): readonly string[] {
  const sources = globSync('src/**/*.ts', { cwd: root });
  return [...sources, 'package-lock.json', relative(root, import.meta.filename)];
}

async function checkPlace(root: string, source: string): Promise<void> {
  const text = await readFile(join(root, source), 'utf8');
  const isRight = dirname(source) === dirname(PLACE) || !text.includes('import.meta');
  if (!isRight) throw new Error(`${source} asks for its own place, which it has not in one file`);
}

async function lookAt(root: string, source: string): Promise<Input> {
  const { size, mtimeMs } = await stat(join(root, source));
  return [source, size, mtimeMs];
}

/** Names of its own begin with `oneFile`. Nothing is wrapped around the modules: what stands within a function is not in the code that V8 keeps for the next start. */
function fileText(inputs: readonly Input[], modules: string): string {
  return `'use strict';
// Made by scripts/one-file.ts of these sources, and only used while they are the same.
const oneFileInputs = ${JSON.stringify(inputs)};
const { statSync: lookAtFile } = require('node:fs');
const oneFileRoot = require('node:path').dirname(require('node:path').dirname(__dirname));
const oneFileHasChanged = ([path, sizeBytes, modifiedMs]) => {
  const found = lookAtFile(oneFileRoot + '/' + path, { throwIfNoEntry: false });
  return found === undefined || found.size !== sizeBytes || found.mtimeMs !== modifiedMs;
};
if (oneFileInputs.some(oneFileHasChanged)) return import('../../src/bin/kelpie.ts');
const oneFilePlaceUrl = require('node:url').pathToFileURL(oneFileRoot + '/${PLACE}').href;
${modules}
module.exports.runCommandLine(process.argv.slice(2)).then((status) => process.exit(status));
`;
}
