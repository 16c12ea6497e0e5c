import { findLines, isRuleFile, isTestFile, type Finding, type SourceFile } from './source-file.ts';

/** Longer files have more than one reason to exist; most are around 100 lines. */
const FILE_LINES_MAX = 400;

const codePattern = /\.(?:ts|c|h|m|sh|py|js|css)$/;

export function checkLength(file: SourceFile): readonly Finding[] {
  const lines = file.text.split('\n').length - 1;
  if (!codePattern.test(file.path) || lines <= FILE_LINES_MAX) return [];
  const message = `${lines} lines: split it by reason to exist (at most ${FILE_LINES_MAX})`;
  return [{ path: file.path, line: FILE_LINES_MAX, rule: 'length', message }];
}

/** A file that only passes on others' exports hides where things live; a subpath's public `index.ts` is the exception. */
export function checkBarrel(file: SourceFile): readonly Finding[] {
  if (!file.path.endsWith('.ts')) return [];
  const isIndex = file.path.endsWith('/index.ts');
  if (isIndex) {
    if (file.path === 'src/index.ts') return [];
    const message = 'src/index.ts is the one public entry: import files by their own names';
    return [{ path: file.path, line: 1, rule: 'barrel', message }];
  }
  const code = file.text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
  const statements = code.split(';').filter((statement) => statement.trim() !== '');
  const reExport = /^\s*export\s[^=(]*?\bfrom\s*'/;
  if (statements.length === 0 || !statements.every((statement) => reExport.test(statement))) return [];
  const message = 'only re-exports: let users import the files themselves';
  return [{ path: file.path, line: 1, rule: 'barrel', message }];
}

/** A test that does not run says nothing: it is fixed, deleted, or waits for an issue with a number. */
export function checkTests(file: SourceFile): readonly Finding[] {
  if (!isTestFile(file.path) || isRuleFile(file.path)) return [];
  const only = /\b(?:test|it|describe|suite)\.only\(|\bonly: true\b/;
  const skip =
    /^(?!.*#\d).*(?:\b(?:test|it|describe|suite|t|context)\.(?:skip|todo)\(|\b(?:skip|todo): (?:true|['"`]))/;
  return [
    ...findLines(file, 'tests', only, 'remove `only`: the other tests of the file do not run'),
    ...findLines(file, 'tests', skip, 'fix or delete the test, or name the issue on the same line (#12)'),
  ];
}

/** What the general linter does not see. */
export function checkModuleFacts(file: SourceFile): readonly Finding[] {
  if (!/^src\/(?!env\/node\/|bin\/).*\.ts$/.test(file.path) || isTestFile(file.path)) return [];
  const here = /\bimport\.meta\.(?:dirname|filename|url)\b/;
  return findLines(
    file,
    'env',
    here,
    'take the path as an argument: only src/bin knows where the program lies',
  );
}

/** A linter rule is switched off for a reason, and the reason is written beside it. */
export function checkSuppressions(file: SourceFile): readonly Finding[] {
  if (!file.path.endsWith('.ts') || isRuleFile(file.path)) return [];
  const bare = /(?:eslint|oxlint)-disable(?!.* -- \S)|@ts-expect-error(?!:? \S)|prettier-ignore(?! \S)/;
  return findLines(file, 'suppression', bare, 'say why after `-- ` (or after @ts-expect-error)');
}
