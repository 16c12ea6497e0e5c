/**
 * Whether a guest really runs: `/dev/kvm` says nothing (nested virtualization that is advertised but broken, missing rights). A kernel of a
 * few instructions is started by Firecracker itself, which turns its machine off: only executed instructions can.
 */
import { utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import type { Architecture } from '../../snapshot/metadata.ts';
import { TRIAL_TIMEOUT_MS } from './limits.ts';
import { askProgram, complaintOf, hasSucceeded } from './programs.ts';

const KERNEL_ADDRESS = 0x10_0000;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const TRIAL_MEMORY_MIB = 128;

/** `mov $0xfe,%al; out %al,$0x64; 1: hlt; jmp 1b`: the keyboard controller's reset line, by which Linux reboots too. */
const x86Code = Uint8Array.of(0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd);

/** An ELF file with one segment; Firecracker enters it in 64-bit mode, with paging. */
function x86Kernel(): Bytes {
  const codeOffset = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES;
  const bytes = new Uint8Array(codeOffset + x86Code.byteLength);
  const view = viewOf(bytes);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian, version 1
  view.setUint16(16, 2, true); // executable
  view.setUint16(18, 62, true); // x86-64
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(KERNEL_ADDRESS), true); // entry
  view.setBigUint64(32, BigInt(ELF_HEADER_BYTES), true); // program headers
  view.setUint16(52, ELF_HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, 1, true);
  const segment = ELF_HEADER_BYTES;
  view.setUint32(segment, 1, true); // to be loaded
  view.setUint32(segment + 4, 5, true); // readable, executable
  view.setBigUint64(segment + 8, BigInt(codeOffset), true);
  view.setBigUint64(segment + 16, BigInt(KERNEL_ADDRESS), true);
  view.setBigUint64(segment + 24, BigInt(KERNEL_ADDRESS), true);
  view.setBigUint64(segment + 32, BigInt(x86Code.byteLength), true);
  view.setBigUint64(segment + 40, BigInt(x86Code.byteLength), true);
  view.setBigUint64(segment + 48, 1n, true);
  bytes.set(x86Code, codeOffset);
  return bytes;
}

/** A Linux `Image`: `b start; …; start: mov w0,#0x84000008 (PSCI SYSTEM_OFF); hvc #0; b .` */
function armKernel(): Bytes {
  const bytes = new Uint8Array(80);
  const view = viewOf(bytes);
  view.setUint32(0, 0x1400_0010, true);
  view.setBigUint64(16, BigInt(bytes.byteLength), true);
  view.setUint32(56, 0x644d_5241, true); // "ARM\x64"
  [0x5280_0100, 0x72b0_8000, 0xd400_0002, 0x1400_0000].forEach((word, index) =>
    view.setUint32(64 + 4 * index, word, true),
  );
  return bytes;
}

/** The kernel that turns its machine off. */
export function trialKernel(architecture: Architecture): Bytes {
  return architecture === 'x86_64' ? x86Kernel() : armKernel();
}

/**
 * @param program Firecracker's.
 * @returns null when the guest ran, else why it did not.
 */
export async function tryKvm(
  env: Env,
  program: string,
  scratchDirectory: string,
  timeoutMs: number = TRIAL_TIMEOUT_MS,
): Promise<string | null> {
  const directory = `${scratchDirectory}/trial-${env.random.uuid()}`;
  try {
    await env.files.makeDirectory(directory);
    await write(env, `${directory}/kernel`, trialKernel(env.host.architecture));
    const config = {
      'boot-source': { kernel_image_path: `${directory}/kernel`, boot_args: 'reboot=k' },
      drives: [],
      'machine-config': { vcpu_count: 1, mem_size_mib: TRIAL_MEMORY_MIB },
    };
    await write(env, `${directory}/config.json`, utf8(JSON.stringify(config)));
    const args = ['--no-api', '--config-file', `${directory}/config.json`];
    const answer = await askProgram(env, program, args, { timeoutMs });
    return hasSucceeded(answer) ? null : complaintOf(answer);
  } catch (error) {
    if (!isKelpieError(error, 'vm_backend_failed')) throw error;
    return `a guest executed nothing in ${timeoutMs / 1000} s`;
  } finally {
    await env.files.removeTree(directory);
  }
}

async function write({ files }: Pick<Env, 'files'>, path: string, bytes: Bytes): Promise<void> {
  const file = await files.open(path, 'wx');
  try {
    await file.write(bytes, 0);
  } finally {
    await file.close();
  }
}
