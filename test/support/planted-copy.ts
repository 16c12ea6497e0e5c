/** A copy of the sources with a known bug in it. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Plant {
  readonly file: string;
  /** What stands there, once. */
  readonly right: string;
  readonly wrong: string;
}

const root = join(import.meta.dirname, '../..');

/** Does something with a copy that has the bug; the copy goes afterwards. */
export async function withPlanted<T>(
  { file, right, wrong }: Plant,
  work: (copy: string) => Promise<T>,
): Promise<T> {
  const copy = await mkdtemp(join(tmpdir(), 'kelpie-planted-'));
  try {
    for (const name of ['src', 'bin', 'scripts', 'package.json'])
      await cp(join(root, name), join(copy, name), { recursive: true });
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    const source = await readFile(join(copy, file), 'utf8');
    assert.equal(source.split(right).length, 2, `${file} has changed: plant this bug anew: ${wrong}`);
    await writeFile(
      join(copy, file),
      source.replace(right, () => wrong),
    );
    return await work(copy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}
