/** The sections of `~/.aws/config` and `~/.aws/credentials`: `[section]`, `name = value`, comments by `#` and `;`. */
export function parseIni(text: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let section: Map<string, string> | null = null;
  for (const line of text.split(/\r?\n/)) {
    // An indented line belongs to a nested setting (`s3 =`), none of which is ours.
    if (/^(?:\s|[#;]|$)/.test(line)) continue;
    const title = /^\[\s*(?:profile\s+)?["']?([^\]"']+?)["']?\s*\]/.exec(line)?.[1];
    if (title !== undefined) {
      section = sections.get(title) ?? new Map();
      sections.set(title, section);
      continue;
    }
    const [, name, value] = /^([^=]+?)\s*=\s*(.*?)(?:\s+[#;].*)?\s*$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) section?.set(name.toLowerCase(), value);
  }
  return sections;
}
