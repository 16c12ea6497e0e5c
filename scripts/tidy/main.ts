/** Checks the rules that are this project's own; `npm run check` calls it. Prints one line per finding. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { posix } from 'node:path';
import { checkBarrel, checkLength, checkModuleFacts, checkSuppressions, checkTests } from './code-rules.ts';
import { checkLayers } from './layers.ts';
import { checkMarkdownLinks } from './markdown-links.ts';
import type { FileRule, Finding, SourceFile } from './source-file.ts';
import { checkNewlineAtEnd, checkWords, machinePathsRule } from './text-rules.ts';

/** Where a guest's root user lives too, so that its name is no sign of this machine. */
const ROOT_HOME = '/root';

const root = posix.join(import.meta.dirname, '../..');

/** Every text file that git has or would add; a file deleted in the work tree is in neither. */
function readProject(): SourceFile[] {
  const options = { cwd: root, encoding: 'utf8' } as const;
  const listed = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    options,
  );
  const deleted = execFileSync('git', ['ls-files', '-z', '--deleted'], options);
  const gone = new Set(deleted.split('\0'));
  return listed
    .split('\0')
    .filter((path) => path !== '' && !gone.has(path))
    .map((path) => ({ path, text: readFileSync(posix.join(root, path), 'utf8') }))
    .filter((file) => !file.text.includes('\0'));
}

function pathsWithFolders(files: readonly SourceFile[]): ReadonlySet<string> {
  const paths = new Set<string>(['.']);
  for (const file of files) {
    for (let path = file.path; path !== '.'; path = posix.dirname(path)) paths.add(path);
  }
  return paths;
}

function check(files: readonly SourceFile[]): Finding[] {
  const home = homedir();
  const rules: FileRule[] = [
    checkBarrel,
    checkLayers,
    checkLength,
    checkModuleFacts,
    checkNewlineAtEnd,
    checkSuppressions,
    checkTests,
    checkWords,
    machinePathsRule(home === ROOT_HOME ? [root] : [root, home]),
  ];
  const paths = pathsWithFolders(files);
  const texts = new Map(files.map((file) => [file.path, file.text]));
  return files.flatMap((file) => [
    ...rules.flatMap((rule) => rule(file)),
    ...checkMarkdownLinks(file, paths, (path) => texts.get(path) ?? ''),
  ]);
}

const files = readProject();
const findings = check(files);
for (const finding of findings) {
  console.error(`${finding.path}:${finding.line}: ${finding.message} [${finding.rule}]`);
}
console.log(`tidy: ${files.length} files, ${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;
