import { KelpieError, isKelpieError } from '../base/errors.ts';
import { routes } from '../daemon/api/routes.ts';
import { askYesNo, canAsk } from './ask.ts';
import type { Cli } from './cli.ts';
import type { Teleport, Teleported } from '../daemon/api/teleports.ts';

/**
 * A teleport. A person at a terminal who is told that the VM's memory cannot go there may still have a checkpoint.
 * @throws KelpieError as the daemon tells it; `teleport_incompatible` when they say no.
 */
export async function teleportOrAsk(
  cli: Pick<Cli, 'operate' | 'output' | 'terminal'>,
  vm: string,
  body: Partial<Teleport>,
): Promise<Teleported> {
  const attempt = (asked: Partial<Teleport>): Promise<Teleported> =>
    cli.operate(routes.teleport, { parameters: { vm }, body: asked });
  try {
    return await attempt(body);
  } catch (error) {
    if (!isKelpieError(error, 'teleport_incompatible') || !canAsk(cli)) throw error;
    await cli.output.notice(error.message);
    if (await askYesNo(cli, 'Publish a checkpoint for it, and let the VM go on here?'))
      return attempt({ ...body, allowCheckpoint: true });
    const message = 'nothing was published, and the VM goes on here.';
    throw new KelpieError('teleport_incompatible', message, { cause: error });
  }
}
