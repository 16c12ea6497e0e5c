/**
 * Kernels that boot, and their entries. QEMU enters an ELF file only by PVH; Firecracker one without PVH's note by its 64-bit entry. Such
 * a kernel is entered in 32-bit mode here: enough for a few instructions that mean the same in both, as in trials of whether guests run.
 */
import { openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kernelFault } from '../../src/sim/firecracker/resources.ts';

const ELF_MAGIC = 0x464c_457f;
/** `HdrS`, in the header of a compressed kernel. */
const BZIMAGE_MAGIC = 0x5372_6448;
const BZIMAGE_MAGIC_OFFSET = 0x202;
const HEADER_BYTES = 0x206;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const PT_NOTE = 4;
/** `XEN_ELFNOTE_PHYS32_ENTRY` */
const NOTE_PHYS32_ENTRY = 18;
const NOTE_BYTES = 24;

/**
 * A path from which QEMU boots the kernel: its own, or that of a copy with PVH's note, which needs no clearing away.
 * @param hasBzImage compressed kernels are kernels as well, as for Firecracker after 1.16.
 * @throws Fault when the file is no kernel that boots.
 */
export function bootableKernel(path: string, hasBzImage: boolean): string {
  const file = readFileSync(path);
  const isElf = file.byteLength >= ELF_HEADER_BYTES && file.readUInt32LE(0) === ELF_MAGIC;
  if (isElf) return hasPvhNote(file) ? path : unnamedCopy(withPvhNote(file));
  const isBzImage =
    file.byteLength >= HEADER_BYTES && file.readUInt32LE(BZIMAGE_MAGIC_OFFSET) === BZIMAGE_MAGIC;
  if (hasBzImage && isBzImage) return path;
  throw kernelFault();
}

/** Linux has it among others in one segment of notes. */
function hasPvhNote(file: Buffer): boolean {
  const { offset, count } = programHeaders(file);
  for (let index = 0; index < count; index += 1) {
    const at = offset + index * PROGRAM_HEADER_BYTES;
    if (file.readUInt32LE(at) !== PT_NOTE) continue;
    const start = Number(file.readBigUInt64LE(at + 8));
    const end = start + Number(file.readBigUInt64LE(at + 32));
    if (noteTypes(file.subarray(start, end)).includes(NOTE_PHYS32_ENTRY)) return true;
  }
  return false;
}

/** Types of the notes that are Xen's. */
function noteTypes(notes: Buffer): readonly number[] {
  const types: number[] = [];
  for (let at = 0; at + 12 <= notes.byteLength;) {
    const nameBytes = notes.readUInt32LE(at);
    const name = notes.toString('latin1', at + 12, at + 12 + nameBytes);
    if (name === 'Xen\0') types.push(notes.readUInt32LE(at + 8));
    at += 12 + aligned(nameBytes) + aligned(notes.readUInt32LE(at + 4));
  }
  return types;
}

/** The same file with one more segment: the note, whose entry is the file's. */
function withPvhNote(file: Buffer): Buffer {
  const { offset, count } = programHeaders(file);
  const headers = Buffer.alloc((count + 1) * PROGRAM_HEADER_BYTES);
  file.copy(headers, 0, offset, offset + count * PROGRAM_HEADER_BYTES);
  const added = count * PROGRAM_HEADER_BYTES;
  headers.writeUInt32LE(PT_NOTE, added);
  headers.writeBigUInt64LE(BigInt(file.byteLength), added + 8);
  headers.writeBigUInt64LE(BigInt(NOTE_BYTES), added + 32);
  headers.writeBigUInt64LE(BigInt(NOTE_BYTES), added + 40);
  headers.writeBigUInt64LE(4n, added + 48);
  const note = Buffer.alloc(NOTE_BYTES);
  note.writeUInt32LE(4, 0);
  note.writeUInt32LE(8, 4);
  note.writeUInt32LE(NOTE_PHYS32_ENTRY, 8);
  note.write('Xen\0', 12, 'latin1');
  file.copy(note, 16, 24, 32);
  const copy = Buffer.concat([file, note, headers]);
  copy.writeBigUInt64LE(BigInt(file.byteLength + NOTE_BYTES), 32);
  copy.writeUInt16LE(count + 1, 56);
  return copy;
}

function programHeaders(file: Buffer): { readonly offset: number; readonly count: number } {
  return { offset: Number(file.readBigUInt64LE(32)), count: file.readUInt16LE(56) };
}

/** A file without a name, as the descriptor of this process that it is. It stays open as long as the process lives. */
function unnamedCopy(content: Buffer): string {
  const path = join(tmpdir(), `firecracker-stand-in-${randomUUID()}`);
  const descriptor = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  writeSync(descriptor, content);
  return `/proc/${process.pid}/fd/${descriptor}`;
}

function aligned(length: number): number {
  return Math.ceil(length / 4) * 4;
}
