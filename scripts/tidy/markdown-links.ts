import { posix } from 'node:path';
import { lineAt, type Finding, type SourceFile } from './source-file.ts';

const linkPattern = /\[[^\]\n]*\]\((?<target>[^)\s]+)(?:\s+"[^"]*")?\)/g;
const fencePattern = /^(?:```|~~~)[\s\S]*?^(?:```|~~~)/gm;

/** GitHub's anchor of a heading: lower case, punctuation dropped, spaces to hyphens. */
export function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');
}

/** Blanks what must not be read as Markdown, keeping every offset where it was. */
function withoutFences(text: string): string {
  return text.replaceAll(fencePattern, (fence) => fence.replaceAll(/[^\n]/g, ' '));
}

function anchorsOf(text: string): ReadonlySet<string> {
  const headings = withoutFences(text).matchAll(/^#{1,6} (?<heading>.+)$/gm);
  return new Set([...headings].map((match) => anchorOf(match.groups?.['heading'] ?? '')));
}

/** Links in Markdown files to files and headings of this project. `paths` has every file and folder of it. */
export function checkMarkdownLinks(
  file: SourceFile,
  paths: ReadonlySet<string>,
  textOf: (path: string) => string,
): readonly Finding[] {
  if (!file.path.endsWith('.md')) return [];
  const findings: Finding[] = [];
  const text = withoutFences(file.text);
  for (const match of text.matchAll(linkPattern)) {
    const target = match.groups?.['target'] ?? '';
    if (/^[a-z]+:/.test(target)) continue;
    const [path = '', anchor] = target.split('#');
    const full = path === '' ? file.path : posix.join(posix.dirname(file.path), path).replace(/\/$/, '');
    const line = lineAt(text, match.index);
    if (!paths.has(full)) {
      findings.push({ path: file.path, line, rule: 'links', message: `no such file: ${full}` });
    } else if (anchor !== undefined && full.endsWith('.md') && !anchorsOf(textOf(full)).has(anchor)) {
      findings.push({
        path: file.path,
        line,
        rule: 'links',
        message: `no such heading in ${full}: #${anchor}`,
      });
    }
  }
  return findings;
}
