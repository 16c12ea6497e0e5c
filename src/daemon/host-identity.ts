/** Who this host is: an id that its ownership records carry for ever, and a name for people. */
import { z } from 'zod';
import { KelpieError } from '../base/errors.ts';
import { KIB } from '../base/units.ts';
import { isUuid } from '../base/uuid.ts';
import { HOST_NAME_LENGTH_MAX } from '../store/limits.ts';
import { readJson, writeJsonDurably } from '../teleport/durable-json.ts';
import type { Env } from '../env/env.ts';
import type { HostPlaces } from '../teleport/host-places.ts';

export interface HostIdentity {
  readonly id: string;
  readonly name: string;
}

const HOST_FILE_BYTES_MAX: number = 64 * KIB;

const hostFile = z.object({
  formatVersion: z.literal(1),
  id: z.string().refine(isUuid),
  name: z.string().min(1).max(HOST_NAME_LENGTH_MAX),
});

/** Read, or made the first time. @throws KelpieError `io_failed` when it is damaged: a new id would disown the VMs of this host. */
export async function hostIdentity(env: Env, places: HostPlaces): Promise<HostIdentity> {
  const value = await readHostFile(env, places.hostFile);
  if (value === undefined) {
    const made = {
      formatVersion: 1,
      id: env.random.uuid(),
      name: env.host.name.slice(0, HOST_NAME_LENGTH_MAX),
    };
    await writeJsonDurably(env.files, places.hostFile, made);
    return { id: made.id, name: made.name };
  }
  const parsed = hostFile.safeParse(value);
  if (!parsed.success) throw damaged(places.hostFile, parsed.error);
  return { id: parsed.data.id, name: parsed.data.name };
}

async function readHostFile(env: Env, path: string): Promise<unknown> {
  try {
    return await readJson(env.files, path, HOST_FILE_BYTES_MAX);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) throw damaged(path, error);
    throw error;
  }
}

function damaged(path: string, cause: unknown): KelpieError {
  return new KelpieError(
    'io_failed',
    `${path} is damaged: put back a copy of it, so that this host keeps its id.`,
    { cause },
  );
}
