/** Guests of a few instructions that end QEMU in a way that only executed instructions can. */
import type { Bytes } from '../../base/bytes.ts';
import { KIB } from '../../base/units.ts';
import type { Architecture } from '../../snapshot/metadata.ts';

export interface AcceleratorTrial {
  readonly image: Bytes;
  readonly arguments: (imagePath: string) => readonly string[];
  /** QEMU's exit status when the guest has run. */
  readonly exitCode: number;
}

/**
 * A firmware that goes to 64-bit mode, counts to a million and writes 0x11 to port 0xf4. Real mode alone would prove nothing: hypervisors
 * without virtualization of their own interpret it, accept the guest, and hang in the first paged instruction.
 *
 *     cli; lgdtl %cs:gdtr; mov %cr0,%eax; or $1,%al; mov %eax,%cr0; ljmpl $8,$protected
 *     protected: mov $16,%eax; mov %eax,%ds; mov %eax,%es; mov %eax,%ss
 *       mov $0x1000,%edi; xor %eax,%eax; mov $0x1000,%ecx; rep stosl                 # page tables at 4 KiB:
 *       movl $0x2003,0x1000; movl $0x3003,0x2018; movl $0xffe00083,0x3ff8            # this ROM, 2 MiB, where it is
 *       mov $0x20,%eax; mov %eax,%cr4; mov $0x1000,%eax; mov %eax,%cr3               # PAE
 *       mov $0xc0000080,%ecx; rdmsr; or $0x100,%eax; wrmsr                           # EFER.LME
 *       mov %cr0,%eax; or $0x80000000,%eax; mov %eax,%cr0; ljmp $24,$long
 *     long: mov $1000000,%ecx; 1: dec %rcx; jnz 1b; mov $0x11,%al; out %al,$0xf4; hlt
 *     gdt: .quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff, 0x00af9a000000ffff
 *     gdtr: .word 31; .long gdt
 */
const firmwareOfX86 =
  'fa2e660f0116b0000f20c00c010f22c066ea1800ffff0800b8100000008ed88ec08ed0bf0010000031c0b900100000f3abc705001000' +
  '0003200000c7051820000003300000c705f83f00008300e0ffb8200000000f22e0b8001000000f22d8b9800000c00f320d000100000f' +
  '300f20c00d000000800f22c0ea7f00ffff1800b940420f0048ffc975fbb011e6f4f466900000000000000000ffff0000009acf00ffff' +
  '00000092cf00ffff0000009aaf001f009000ffff';

/** The CPU begins 16 bytes before the end of the 64 KiB: `jmp` to their start. */
const RESET_JUMP = 'e90d00';

function trialOfX86(): AcceleratorTrial {
  const image = new Uint8Array(64 * KIB);
  image.set(fromHex(firmwareOfX86), 0);
  image.set(fromHex(RESET_JUMP), image.byteLength - 16);
  return {
    image,
    arguments: (path) => [
      '-machine',
      'q35,smm=off',
      '-bios',
      path,
      '-device',
      'isa-debug-exit,iobase=0xf4,iosize=1',
    ],
    // What the exit device makes of 0x11.
    exitCode: 2 * 0x11 + 1,
  };
}

/** 32 MiB into RAM, behind QEMU's device tree: `movz w0, #8; movk w0, #0x8400, lsl #16; hvc #0; b .`: PSCI's SYSTEM_OFF, which ends QEMU with 0. */
function trialOfArm64(): AcceleratorTrial {
  return {
    image: fromHex('000180520080b072020000d400000014'),
    arguments: (path) => [
      ...['-machine', 'virt'],
      ...['-device', `loader,file=${path},addr=0x42000000,force-raw=on`],
      ...['-device', 'loader,addr=0x42000000,cpu-num=0'],
    ],
    exitCode: 0,
  };
}

export function acceleratorTrial(architecture: Architecture): AcceleratorTrial {
  return architecture === 'x86_64' ? trialOfX86() : trialOfArm64();
}

function fromHex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}
