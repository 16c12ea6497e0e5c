/** What lies behind QEMU's refusal to write the state of its devices to a file: of a disk that is full it says "An IO error has occurred". */
import { isKelpieError, KelpieError } from '../../base/errors.ts';
import { MIB } from '../../base/units.ts';
import type { Files } from '../../env/files.ts';
import { diskFull } from '../../snapshot/local-failure.ts';

/** Several times what such a state takes. */
const ROOM_BYTES: number = 2 * MIB;

/** The error to be thrown for `error`. @param directory where the file was to be. */
export async function explainSave(
  files: Pick<Files, 'freeBytes'>,
  directory: string,
  error: unknown,
): Promise<unknown> {
  if (!isKelpieError(error, 'vm_backend_failed') || error.data['command'] === undefined) return error;
  const act = "save the state of the VM's devices";
  if ((await files.freeBytes(directory)) < ROOM_BYTES) return diskFull(act, error);
  return new KelpieError('snapshot_failed', `cannot ${act}: ${error.message}`, { cause: error });
}
