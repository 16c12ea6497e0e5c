/** The folder of a relative path; empty for a name in the root. */
export function posixDirectory(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
