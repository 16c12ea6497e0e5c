import { posix } from 'node:path';
import { lineAt, type SourceFile } from './source-file.ts';

/** One import, re-export, dynamic import or import type. */
export interface Import {
  /** A project path (`src/base/errors.ts`) when the specifier is relative, else the specifier itself. */
  readonly target: string;
  readonly isRelative: boolean;
  /** What stands before `from`: the imported names. */
  readonly clause: string;
  readonly line: number;
}

const patterns = [
  /^[ \t]*(?:import|export)\s(?<clause>[^;'"`]*?)\bfrom\s*'(?<specifier>[^']+)'/gm,
  /^[ \t]*import\s*'(?<specifier>[^']+)'/gm,
  /\b(?:import|require)\(\s*['"`](?<specifier>[^'"`]+)['"`]\s*\)/g,
];

/** Every import of a TypeScript file that the formatter has laid out (single quotes, one statement per line). */
export function importsOf(file: SourceFile): readonly Import[] {
  const imports: Import[] = [];
  for (const pattern of patterns) {
    for (const match of file.text.matchAll(pattern)) {
      const specifier = match.groups?.['specifier'] ?? '';
      const isRelative = specifier.startsWith('.');
      const target = isRelative ? posix.join(posix.dirname(file.path), specifier) : specifier;
      imports.push({
        target,
        isRelative,
        clause: match.groups?.['clause'] ?? '',
        line: lineAt(file.text, match.index),
      });
    }
  }
  return imports;
}
