/** The kernel of the simulated image: a `vmlinuz`, with what Firecracker boots packed inside. */
import { concat, utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { packed } from './gzip-program.ts';

const SECTOR_BYTES = 512;
const SETUP_SECTORS_AT = 0x1f1;
const HEADER_MAGIC_AT = 0x202;
const PAYLOAD_LENGTH_AT = 0x24c;
const VMLINUX_BYTES = 9000;
const ELF_MAGIC: Bytes = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46);

export function simulatedVmlinux(): Bytes {
  const file = new Uint8Array(VMLINUX_BYTES).fill(0x90);
  file.set(ELF_MAGIC);
  return file;
}

export function simulatedVmlinuz(): Bytes {
  const payload = packed(simulatedVmlinux());
  const setup = new Uint8Array(2 * SECTOR_BYTES);
  setup[SETUP_SECTORS_AT] = 1;
  setup.set(utf8('HdrS'), HEADER_MAGIC_AT);
  viewOf(setup).setUint32(PAYLOAD_LENGTH_AT, payload.byteLength, true);
  return concat([setup, payload]);
}
