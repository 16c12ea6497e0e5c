/** One reading of a guest: each application writes its state, then all workspaces are read into the archive. */
import type { Bytes } from '../base/bytes.ts';
import type { PageMap } from '../snapshot/page-map.ts';
import { workspaceRoots } from './application.ts';
import type { Application } from './application.ts';
import { ArchiveWriter } from './archive-writer.ts';
import type { GuestContext } from './guest-command.ts';
import { HEAD_FORMAT_VERSION, encodeHead } from './head.ts';
import type { SavedApplication } from './head.ts';
import type { PageGatherer } from './page-gatherer.ts';
import { readEnvironment } from './read-environment.ts';
import { readFiles } from './read-files.ts';
import { saveState } from './run-hook.ts';
import { requireWorkspace } from './workspace-paths.ts';

export interface Reading {
  readonly head: Bytes;
  readonly map: PageMap;
  readonly entryCount: number;
  /** Of all files. */
  readonly contentBytes: number;
  /** Paths of sockets, which are left out. */
  readonly sockets: readonly string[];
}

/**
 * @param onFiles told how many bytes of files were read so far.
 * @returns null when files changed while they were read: what is in the pages is of no one moment.
 * @throws KelpieError `checkpoint_hook_failed`, `checkpoint_invalid`, `guest_failed`, `guest_protocol_error`, `guest_unreachable`, `limit_exceeded`, `canceled`.
 */
export async function captureApplications(
  context: GuestContext,
  applications: readonly Application[],
  pages: PageGatherer,
  onFiles: (doneBytes: number) => void,
): Promise<Reading | null> {
  const roots = workspaceRoots(applications);
  await requireWorkspace(context.agent, roots);
  const states = new Map<string, Bytes | null>();
  for (const application of applications) states.set(application.name, await saveState(context, application));
  const archive = new ArchiveWriter(pages);
  const { hasChanged, sockets } =
    roots.length === 0
      ? { hasChanged: false, sockets: [] }
      : await readFiles(context, roots, async ({ entry, content }) => {
          await archive.add(entry, content);
          onFiles(archive.contentBytes);
        });
  if (hasChanged) return null;
  const saved: SavedApplication[] = [];
  for (const application of applications) {
    const state = states.get(application.name) ?? null;
    saved.push({
      application,
      environment: await readEnvironment(context.agent, application),
      state: state === null ? null : await archive.addState(state),
    });
  }
  const { index, map } = await archive.finish();
  const { entryCount, contentBytes } = archive;
  const head = encodeHead({
    formatVersion: HEAD_FORMAT_VERSION,
    applications: saved,
    index,
    entryCount,
    contentBytes,
  });
  return { head, map, entryCount, contentBytes, sockets };
}
