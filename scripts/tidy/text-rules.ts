import { findLines, isRuleFile, type Finding, type SourceFile } from './source-file.ts';

interface BannedText {
  readonly pattern: RegExp;
  readonly files: RegExp;
  readonly message: string;
}

const scripts = /(?:\.sh|Makefile|^bin\/[^/]+|^scripts\/node|^\.ci\/run)$/;
const anything = /(?:)/;

const bannedTexts: readonly BannedText[] = [
  {
    pattern: /\|\|\s*(?:true|:)(?=\s|;|$)/,
    files: scripts,
    message: 'a swallowed failure: handle the one that is expected',
  },
  {
    pattern: /\b(?:TODO|FIXME|XXX|HACK)\b(?!.*#\d)/,
    files: anything,
    message: 'do it, or name its issue (#12)',
  },
  { pattern: /[ \t]+$/, files: /^(?!.*\.md$)/, message: 'remove the white space at the end of the line' },
  {
    pattern: /"resolved":\s*"/,
    files: /(?:^|\/)package-lock\.json$/,
    message: 'the lock file names a host: npm install with omit-lockfile-registry-resolved=true (.npmrc)',
  },
  {
    pattern: /\bregistry\.[a-z0-9-]+\.(?:org|com|io|dev)\b/,
    files: anything,
    message: 'name no registry: npm and apt know theirs',
  },
];

/** Words that have no place in the project. This list, its test and the licence are the only files that may have them. */
export function checkWords(file: SourceFile): readonly Finding[] {
  if (isRuleFile(file.path) || file.path === 'LICENSE') return [];
  return bannedTexts
    .filter((banned) => banned.files.test(file.path))
    .flatMap((banned) => findLines(file, 'words', banned.pattern, banned.message));
}

/** A rule against the paths of the machine that the clone lies on: they mean nothing elsewhere. */
export function machinePathsRule(paths: readonly string[]): (file: SourceFile) => readonly Finding[] {
  return (file) =>
    file.text.split('\n').flatMap((line, index) => {
      if (!paths.some((path) => line.includes(path))) return [];
      const message = 'a path of this machine: derive it, or take it as an argument';
      return [{ path: file.path, line: index + 1, rule: 'machine-path', message }];
    });
}

export function checkNewlineAtEnd(file: SourceFile): readonly Finding[] {
  if (file.text === '' || (file.text.endsWith('\n') && !file.text.endsWith('\n\n'))) return [];
  const line = file.text.split('\n').length;
  return [{ path: file.path, line, rule: 'newline', message: 'end the file with exactly one newline' }];
}
