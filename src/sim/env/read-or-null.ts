import type { Bytes } from '../../base/bytes.ts';
import type { Connection } from '../../env/sockets.ts';
import { isSystemError } from '../../env/system-error.ts';

/** What comes next; null at the end, also when that is a broken connection. */
export async function readOrNull(connection: Connection): Promise<Bytes | null> {
  try {
    return await connection.read();
  } catch (error) {
    if (isSystemError(error)) return null;
    throw error;
  }
}
