/** Files out of a guest, by its `tar`: read as they come, and given out one by one. */
import { KelpieError } from '../base/errors.ts';
import type { Bytes } from '../base/bytes.ts';
import { describeEnd, isSuccess, runInGuest } from './guest-command.ts';
import type { CommandEnd, GuestContext } from './guest-command.ts';
import { EntryRules } from './entry-rules.ts';
import { ENTRIES_MAX, FILES_STILL_MS, FILES_TIMEOUT_MS } from './limits.ts';
import { readGuestTar } from './tar-reader.ts';
import type { TarMember } from './tar-reader.ts';

const SOCKET_MESSAGE = /^tar: (.*): socket ignored$/;
/** GNU tar: some files differ. */
const CHANGED_STATUS = 1;

export interface FilesRead {
  /** A file changed, came or went while it was read: what was given out is of no one moment. */
  readonly hasChanged: boolean;
  /** Sockets, which are left out: they are of a process. */
  readonly sockets: readonly string[];
}

/**
 * Everything under `roots`, without what is mounted there.
 * @param take gets each member, in order, and reads its content.
 * @throws KelpieError `guest_protocol_error` when the guest sends what cannot be; `guest_failed`, `guest_unreachable`, `checkpoint_invalid`, `limit_exceeded`, `canceled`; what `take` throws.
 */
export async function readFiles(
  context: GuestContext,
  roots: readonly string[],
  take: (member: TarMember) => Promise<void>,
): Promise<FilesRead> {
  const rules = new EntryRules(roots);
  const readAll = async (output: AsyncIterable<Bytes>): Promise<void> => {
    for await (const member of readGuestTar(output)) {
      if (rules.isFull) {
        const message = `the workspace has more than ${ENTRIES_MAX} files: declare less of it.`;
        throw new KelpieError('limit_exceeded', message);
      }
      const fault = rules.admit(member.entry);
      if (fault !== null)
        throw new KelpieError('guest_protocol_error', `the workspace cannot be taken along: ${fault}.`);
      await take(member);
    }
  };
  const end = await runInGuest(
    context,
    { argv: tarArguments(roots), env: { LC_ALL: 'C' }, timeoutMs: FILES_TIMEOUT_MS, stillMs: FILES_STILL_MS },
    readAll,
  );
  if (isSuccess(end)) return { hasChanged: false, sockets: socketsOf(end) };
  if ('code' in end.exit && end.exit.code === CHANGED_STATUS) return { hasChanged: true, sockets: [] };
  throw new KelpieError(
    'guest_failed',
    `the workspace cannot be read: tar in the guest ${describeEnd(end, FILES_TIMEOUT_MS)}.`,
  );
}

function tarArguments(roots: readonly string[]): readonly string[] {
  return [
    'tar',
    '--create',
    '--file=-',
    '--format=pax',
    // When it was read says nothing of a file, and would be new each time.
    '--pax-option=delete=atime,delete=ctime',
    '--sort=name',
    '--numeric-owner',
    '--xattrs',
    '--xattrs-include=*',
    '--acls',
    '--one-file-system',
    '--directory=/',
    '--',
    ...roots.map((root) => root.slice(1)),
  ];
}

function socketsOf({ messages }: CommandEnd): readonly string[] {
  return messages.flatMap((line) => SOCKET_MESSAGE.exec(line)?.[1] ?? []);
}
