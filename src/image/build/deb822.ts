/** Debian's control format: paragraphs of `Field: value` lines, continued by lines that begin with a space. */

/** Field names in lower case; continuation lines keep their line breaks and leading space. */
export type Paragraph = ReadonlyMap<string, string>;

/** Reads paragraphs; lines that are neither a field nor a continuation, and comments, are left out. */
export function parseParagraphs(text: string): readonly Paragraph[] {
  const paragraphs: Paragraph[] = [];
  let current = new Map<string, string>();
  let last: string | null = null;
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    if (line.trim() === '') {
      if (current.size > 0) paragraphs.push(current);
      current = new Map();
      last = null;
      continue;
    }
    if (/^[ \t]/.test(line)) {
      if (last !== null) current.set(last, `${current.get(last) ?? ''}\n${line}`);
      continue;
    }
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    last = line.slice(0, colon).toLowerCase();
    current.set(last, line.slice(colon + 1).trim());
  }
  if (current.size > 0) paragraphs.push(current);
  return paragraphs;
}

/** The words of a field; none when it is absent. */
export function words(paragraph: Paragraph, field: string): readonly string[] {
  return (paragraph.get(field) ?? '').split(/\s+/).filter((word) => word !== '');
}
