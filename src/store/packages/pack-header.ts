/** What every pack begins with, so that a pack under another's name is noticed; `docs/FORMAT.md` has the layout. */
import { assert } from '../../base/assert.ts';
import { fromUtf8Lossy, utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { readUuid, writeUuid } from '../../base/uuid.ts';
import { packText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';

const MAGIC = 'KLPK';
const VERSION = 1;
/** The first frame begins here. */
export const PACK_HEADER_BYTES = 28;

export function encodePackHeader({ session, number }: PackName): Bytes {
  assert(
    Number.isInteger(number) && number >= 0 && number < 2 ** 32,
    'the number of a pack is within its field',
  );
  const bytes = new Uint8Array(PACK_HEADER_BYTES);
  bytes.set(utf8(MAGIC), 0);
  viewOf(bytes).setUint32(4, VERSION, true);
  writeUuid(session, bytes, 8);
  viewOf(bytes).setUint32(24, number, true);
  return bytes;
}

/** Checks the first bytes of what should be pack `name`; they are not trusted. @throws KelpieError `package_corrupt`, `package_too_new`. */
export function checkPackHeader(bytes: Bytes, name: PackName): void {
  const check = (holds: boolean, what: string): void => {
    if (!holds) throw new KelpieError('package_corrupt', `pack ${packText(name)} cannot be used: ${what}.`);
  };
  check(bytes.byteLength >= PACK_HEADER_BYTES, 'it is too short');
  check(fromUtf8Lossy(bytes.subarray(0, 4)) === MAGIC, 'it does not begin with its magic');
  const version = viewOf(bytes).getUint32(4, true);
  if (version > VERSION) {
    const message = `pack ${packText(name)} is of format ${version}; this Kelpie reads up to ${VERSION}: update it.`;
    throw new KelpieError('package_too_new', message);
  }
  check(version === VERSION, 'its version does not exist');
  const isNamed = readUuid(bytes, 8) === name.session && viewOf(bytes).getUint32(24, true) === name.number;
  check(isNamed, 'it is another pack');
}
