/**
 * A kernel of 57 bytes, for suites that need a guest but nothing of it: it counts for ever, and writes each number to one
 * place and to one of 64 pages in turn, so that memory goes on changing in known pages. Of two more pages one is zero when the number
 * is even and the other when it is odd.
 *
 * It boots by PVH, in 32-bit mode, and by the 64-bit entry of Linux alike: the instructions below mean the same in both.
 */

/** Where the number stands in the guest's memory; the 64 pages begin at the next page. */
export const COUNTER_ADDRESS = 0x20_0000;
/** Pages that are zero for even and for odd numbers. */
export const CLEARED_PAGES: readonly number[] = [0x24_1000, 0x24_2000];
/** All that it writes to. */
export const WRITTEN_PAGES = 67;

const LOAD_ADDRESS = 0x10_0000;
const CODE_OFFSET = 0x1000;
const NOTE_OFFSET = 0x200;
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const PT_LOAD = 1;
const PT_NOTE = 4;
/** `XEN_ELFNOTE_PHYS32_ENTRY`: where PVH begins. */
const NOTE_PHYS32_ENTRY = 18;

const code = Uint8Array.of(
  ...[0x31, 0xc0], //                                      xor eax, eax
  ...[0xbf, 0x00, 0x00, 0x20, 0x00], //                    mov edi, COUNTER_ADDRESS
  ...[0xff, 0xc0], //                               next:  inc eax
  ...[0x89, 0x07], //                                      mov [edi], eax
  ...[0x89, 0xc1], //                                      mov ecx, eax
  ...[0x83, 0xe1, 0x3f], //                                and ecx, 63
  ...[0xc1, 0xe1, 0x0c], //                                shl ecx, 12
  ...[0x89, 0x84, 0x0f, 0x00, 0x10, 0x00, 0x00], //        mov [edi + ecx + 0x1000], eax
  ...[0x89, 0xc1], //                                      mov ecx, eax
  ...[0x83, 0xe1, 0x01], //                                and ecx, 1
  ...[0x89, 0x8f, 0x00, 0x10, 0x04, 0x00], //              mov [edi + 0x41000], ecx
  ...[0x83, 0xf1, 0x01], //                                xor ecx, 1
  ...[0x89, 0x8f, 0x00, 0x20, 0x04, 0x00], //              mov [edi + 0x42000], ecx
  ...[0xba, 0xa0, 0x86, 0x01, 0x00], //                    mov edx, 100000
  ...[0xff, 0xca], //                               wait:  dec edx
  ...[0x75, 0xfc], //                                      jnz wait
  ...[0xeb, 0xce], //                                      jmp next
);

/** The kernel as an ELF file. */
export function countingGuest(): Uint8Array {
  const file = Buffer.alloc(CODE_OFFSET + code.byteLength);
  writeHeader(file);
  writeSegment(file, 0, {
    type: PT_LOAD,
    offset: CODE_OFFSET,
    address: LOAD_ADDRESS,
    length: code.byteLength,
  });
  writeSegment(file, 1, { type: PT_NOTE, offset: NOTE_OFFSET, address: 0, length: writeNote(file) });
  file.set(code, CODE_OFFSET);
  return file;
}

function writeHeader(file: Buffer): void {
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16); // an executable …
  file.writeUInt16LE(62, 18); // … for x86_64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 24);
  file.writeBigUInt64LE(BigInt(HEADER_BYTES), 32);
  file.writeUInt16LE(HEADER_BYTES, 52);
  file.writeUInt16LE(PROGRAM_HEADER_BYTES, 54);
  file.writeUInt16LE(2, 56);
  file.writeUInt16LE(64, 58);
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly length: number;
}

function writeSegment(file: Buffer, index: number, { type, offset, address, length }: Segment): void {
  const at = HEADER_BYTES + index * PROGRAM_HEADER_BYTES;
  file.writeUInt32LE(type, at);
  file.writeUInt32LE(5, at + 4); // read, execute
  file.writeBigUInt64LE(BigInt(offset), at + 8);
  file.writeBigUInt64LE(BigInt(address), at + 16);
  file.writeBigUInt64LE(BigInt(address), at + 24);
  file.writeBigUInt64LE(BigInt(length), at + 32);
  file.writeBigUInt64LE(BigInt(length), at + 40);
  file.writeBigUInt64LE(4n, at + 48);
}

/** @returns the length of the note. */
function writeNote(file: Buffer): number {
  file.writeUInt32LE(4, NOTE_OFFSET);
  file.writeUInt32LE(8, NOTE_OFFSET + 4);
  file.writeUInt32LE(NOTE_PHYS32_ENTRY, NOTE_OFFSET + 8);
  file.write('Xen\0', NOTE_OFFSET + 12, 'latin1');
  file.writeBigUInt64LE(BigInt(LOAD_ADDRESS), NOTE_OFFSET + 16);
  return 24;
}
