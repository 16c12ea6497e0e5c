/** The commands of an application: the one that writes its state, and the one that reads it. */
import { KelpieError, isKelpieError } from '../base/errors.ts';
import { collectBytes } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { formatBytes } from '../base/units.ts';
import type { Application } from './application.ts';
import { describeEnd, isSuccess, runInGuest } from './guest-command.ts';
import type { CommandRequest, GuestContext } from './guest-command.ts';
import { STATE_BYTES_MAX } from './limits.ts';

/** What the application's command wrote; null when it has none. @throws KelpieError `checkpoint_hook_failed`, `guest_unreachable`, `canceled`. */
export async function saveState(context: GuestContext, application: Application): Promise<Bytes | null> {
  const { save } = application;
  if (save === null) return null;
  return await runHook(context, application, 'its state was not written', { argv: save });
}

/** Gives an application its state and its variables back. @throws as `saveState`. */
export async function reloadState(
  context: GuestContext,
  application: Application,
  env: Readonly<Record<string, string>>,
  state: AsyncIterable<Bytes>,
): Promise<void> {
  const { reload } = application;
  if (reload === null) return;
  await runHook(context, application, 'its state was not reloaded', { argv: reload, env, input: state });
}

async function runHook(
  context: GuestContext,
  { name, user, timeoutMs }: Application,
  what: string,
  command: Pick<CommandRequest, 'argv' | 'env' | 'input'>,
): Promise<Bytes> {
  const failed = (why: string, cause?: unknown): KelpieError =>
    new KelpieError('checkpoint_hook_failed', `${what}: the command of "${name}" ${why}.`, {
      cause,
      data: { application: name },
    });
  const tooLong = (): KelpieError =>
    failed(`wrote more than ${formatBytes(STATE_BYTES_MAX)}: what is large belongs into its workspace`);
  const request = { ...command, timeoutMs, ...(user === null ? {} : { user }) };
  let written: Bytes = new Uint8Array(0);
  try {
    const end = await runInGuest(context, request, async (output) => {
      written = await collectBytes(output, STATE_BYTES_MAX, tooLong);
    });
    if (!isSuccess(end)) throw failed(describeEnd(end, timeoutMs));
    return written;
  } catch (error) {
    if (isKelpieError(error, 'command_not_executable', 'invalid_argument'))
      throw failed(`could not be started (${error.message})`, error);
    if (isKelpieError(error, 'timeout')) throw failed('did not end, and neither did the guest end it', error);
    throw error;
  }
}
