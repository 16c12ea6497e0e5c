/** The variables that an application keeps, as its process has them. */
import { KelpieError, isKelpieError } from '../base/errors.ts';
import { collectBytes, fromUtf8 } from '../base/bytes.ts';
import type { GuestAgent } from '../guest/guest-agent.ts';
import type { Application } from './application.ts';
import { ENVIRONMENT_BYTES_MAX } from './limits.ts';

/** @throws KelpieError `checkpoint_invalid`, `guest_unreachable` … A variable that the process does not have is left out. */
export async function readEnvironment(
  agent: GuestAgent,
  { name, environment, pidFile }: Application,
): Promise<Readonly<Record<string, string>>> {
  if (environment.length === 0 || pidFile === null) return {};
  const invalid = (why: string, cause?: unknown): KelpieError =>
    new KelpieError('checkpoint_invalid', `the variables of "${name}" cannot be kept: ${why}.`, { cause });
  const read = async (path: string, bytesMax: number): Promise<string> => {
    try {
      const { bytes } = await agent.readFile(path);
      return fromUtf8(await collectBytes(bytes, bytesMax, () => invalid(`${path} is too long`)));
    } catch (error) {
      if (isKelpieError(error, 'file_not_found')) throw invalid(`${path} is not there`, error);
      if (error instanceof TypeError) throw invalid(`${path} is no text`, error);
      throw error;
    }
  };
  const pid = (await read(pidFile, 32)).trim();
  if (!/^[1-9]\d{0,9}$/.test(pid)) throw invalid(`${pidFile} does not name a process`);
  const variables = new Map(
    (await read(`/proc/${pid}/environ`, ENVIRONMENT_BYTES_MAX)).split('\0').map((line) => {
      const equals = line.indexOf('=');
      return [line.slice(0, Math.max(0, equals)), line.slice(equals + 1)] as const;
    }),
  );
  return Object.fromEntries(
    environment.flatMap((variable) => {
      const value = variables.get(variable);
      return value === undefined ? [] : [[variable, value] as const];
    }),
  );
}
