/** One file of the project, as every rule sees it. */
export interface SourceFile {
  /** Path from the project's root, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** A broken rule; the message says what to do instead. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

/** A rule over one file. It must not look at the disk: tests give it text. */
export type FileRule = (file: SourceFile) => readonly Finding[];

/** True for files that only tests load: their own suites, and what several suites share. */
export function isTestFile(path: string): boolean {
  return path.startsWith('test/') || path.endsWith('.test.ts') || path.endsWith('-suite.ts');
}

/** True for the rules and their tests, which must spell what they forbid. */
export function isRuleFile(path: string): boolean {
  return path.startsWith('scripts/tidy/');
}

/** Findings of one pattern, one per line that matches. */
export function findLines(file: SourceFile, rule: string, pattern: RegExp, message: string): Finding[] {
  const findings: Finding[] = [];
  for (const [index, line] of file.text.split('\n').entries()) {
    if (pattern.test(line)) findings.push({ path: file.path, line: index + 1, rule, message });
  }
  return findings;
}

/** The line, from 1, of an offset in a text. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}
