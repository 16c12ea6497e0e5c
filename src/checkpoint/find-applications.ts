/** The applications that a guest declares, in `/etc/kelpie/checkpoint.d/*.json`. */
import { KelpieError } from '../base/errors.ts';
import { collectBytes } from '../base/bytes.ts';
import { parseApplication, requireApplications } from './application.ts';
import type { Application } from './application.ts';
import type { GuestContext } from './guest-command.ts';
import { APPLICATIONS_MAX, MANIFEST_BYTES_MAX, MANIFEST_DIRECTORY } from './limits.ts';
import { readable } from './byte-text.ts';
import { readFiles } from './read-files.ts';
import { infoOf } from './workspace-paths.ts';

/** @throws KelpieError `checkpoint_invalid` when there are none, or one that cannot be used. */
export async function findApplications(context: GuestContext): Promise<readonly Application[]> {
  const found: Application[] = [];
  if ((await infoOf(context.agent, MANIFEST_DIRECTORY))?.type === 'directory') {
    const { hasChanged } = await readFiles(context, [MANIFEST_DIRECTORY], async ({ entry, content }) => {
      const what = `/${readable(entry.path)}`;
      const tooLong = (): KelpieError =>
        new KelpieError('checkpoint_invalid', `${what} is longer than ${MANIFEST_BYTES_MAX} bytes.`);
      const bytes = await collectBytes(content, MANIFEST_BYTES_MAX, tooLong);
      if (entry.kind !== 'file' || !entry.path.endsWith('.json')) return;
      found.push(parseApplication(bytes, what));
      if (found.length > APPLICATIONS_MAX) requireApplications(found);
    });
    if (hasChanged)
      throw new KelpieError(
        'checkpoint_files_changed',
        `${MANIFEST_DIRECTORY} changed while it was read: try again.`,
      );
  }
  requireApplications(found);
  if (found.length > 0) return found;
  throw new KelpieError(
    'checkpoint_invalid',
    `no application in the guest says what its checkpoint is: put a manifest into ${MANIFEST_DIRECTORY}, or name its folders with --path.`,
  );
}
