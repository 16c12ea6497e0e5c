/** What a sentence says, to stand inside another one. */
export function withoutFullStop(text: string): string {
  return text.replace(/\.$/, '');
}
