/**
 * The kernel as Firecracker boots it. On x86_64 that is the ELF file `vmlinux`, and an image has the `vmlinuz` of its distribution: a boot sector
 * with the ELF file compressed inside (Documentation/arch/x86/boot.rst of Linux, "payload_offset"). It is unpacked once for each image and
 * kept where everything lies that can be made again.
 */
import { collectBytes, utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { createSynced } from '../../env/durable-files.ts';
import type { Env } from '../../env/env.ts';
import { isThere } from '../../env/is-there.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { Architecture } from '../../snapshot/metadata.ts';
import { VMLINUX_BYTES_MAX, VMLINUX_KEPT_MAX, VMLINUZ_BYTES_MAX } from './limits.ts';

const SECTOR_BYTES = 512;
const SETUP_SECTORS_AT = 0x1f1;
const HEADER_MAGIC_AT = 0x202;
const PAYLOAD_OFFSET_AT = 0x248;
const PAYLOAD_LENGTH_AT = 0x24c;
const HEADER_BYTES = 0x250;
const ELF_MAGIC = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46);
/** Where an arm64 `Image` says what it is. */
const ARM_MAGIC_AT = 56;

/** Programs that unpack, by the first bytes of what is packed. */
const unpackers: readonly {
  readonly magic: Bytes;
  readonly command: string;
  /** The kernel's build appends the unpacked size; gzip has it at its end anyway. */
  readonly hasSizeAppended: boolean;
}[] = [
  { magic: Uint8Array.of(0x1f, 0x8b), command: 'gzip', hasSizeAppended: false },
  { magic: Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a), command: 'xz', hasSizeAppended: true },
  { magic: Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd), command: 'zstd', hasSizeAppended: true },
  { magic: Uint8Array.of(0x02, 0x21, 0x4c, 0x18), command: 'lz4', hasSizeAppended: true },
];

/**
 * The path of a kernel that Firecracker boots, for the kernel of an image.
 * @throws KelpieError `image_incompatible` when it is no kernel that can be unpacked here, `file_not_found`.
 */
export async function bootableKernel(
  env: Env,
  kernelPath: string,
  architecture: Architecture,
  cacheDirectory: string,
): Promise<string> {
  const head = await readHead(env, kernelPath);
  if (isBootable(head, architecture)) return kernelPath;
  const { inode, sizeBytes, modifiedMs } = await env.files.stat(kernelPath);
  const key = env.compute.sha256(utf8(`${kernelPath} ${inode} ${sizeBytes} ${modifiedMs}`)).slice(0, 16);
  const target = `${cacheDirectory}/vmlinux-${key}`;
  if (await isThere(env.files, target)) return target;
  const kernel = await env.files.readFile(kernelPath, VMLINUZ_BYTES_MAX);
  const packed = architecture === 'x86_64' ? payloadOf(kernel, kernelPath) : kernel;
  await removeOldest(env, cacheDirectory);
  await unpackTo(env, packed, target, { kernelPath, architecture });
  return target;
}

function isBootable(head: Bytes, architecture: Architecture): boolean {
  if (architecture === 'x86_64') return startsWith(head, ELF_MAGIC);
  return startsWith(head.subarray(ARM_MAGIC_AT), utf8('ARM\u0064'));
}

async function readHead(env: Env, path: string): Promise<Bytes> {
  try {
    const file = await env.files.open(path, 'r');
    try {
      const head = new Uint8Array(HEADER_BYTES);
      return head.subarray(0, await file.read(head, 0));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    throw new KelpieError('file_not_found', `the kernel ${path} is missing.`, { cause: error });
  }
}

/** The compressed kernel in a boot sector. */
function payloadOf(kernel: Bytes, path: string): Bytes {
  const isBootSector =
    kernel.byteLength > HEADER_BYTES && startsWith(kernel.subarray(HEADER_MAGIC_AT), utf8('HdrS'));
  if (!isBootSector) throw unusable(path, 'it is neither an ELF file nor a vmlinuz');
  const view = viewOf(kernel);
  // Zero means four, for kernels that nobody has any more.
  const sectors = view.getUint8(SETUP_SECTORS_AT) || 4;
  const start = (sectors + 1) * SECTOR_BYTES + view.getUint32(PAYLOAD_OFFSET_AT, true);
  const length = view.getUint32(PAYLOAD_LENGTH_AT, true);
  if (length === 0 || start + length > kernel.byteLength)
    throw unusable(path, 'its payload lies outside of it');
  return kernel.subarray(start, start + length);
}

async function unpackTo(
  env: Env,
  packed: Bytes,
  target: string,
  { kernelPath, architecture }: { readonly kernelPath: string; readonly architecture: Architecture },
): Promise<void> {
  const unpacker = unpackers.find(({ magic }) => startsWith(packed, magic));
  if (unpacker === undefined) throw unusable(kernelPath, 'it is packed in an unknown way');
  const { command, hasSizeAppended } = unpacker;
  const part = `${target}.${env.random.uuid()}.part`;
  try {
    const bytes = await runUnpacker(env, command, hasSizeAppended ? packed.subarray(0, -4) : packed);
    if (!isBootable(bytes, architecture)) throw unusable(kernelPath, 'what is packed in it is no kernel');
    // Whoever finds it later believes its name: after a loss of power too.
    await createSynced(env.files, part, bytes);
    await env.files.rename(part, target);
  } catch (error) {
    await env.files.removeTree(part);
    throw error;
  }
}

async function runUnpacker(env: Env, command: string, packed: Bytes): Promise<Bytes> {
  let child: Awaited<ReturnType<Env['processes']['spawn']>>;
  try {
    child = await env.processes.spawn({ command, args: ['-dc'], output: 'capture', stdin: 'pipe' });
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    const message = `unpacking the kernel needs ${command}: install it.`;
    throw new KelpieError('image_incompatible', message, { cause: error });
  }
  try {
    const [, bytes] = await Promise.all([feed(child, packed), collect(child.stdout)]);
    const status = await child.wait();
    if ('code' in status && status.code === 0) return bytes;
    throw new KelpieError(
      'image_incompatible',
      `the kernel of the image is damaged: ${command} cannot unpack it.`,
    );
  } finally {
    child.kill('SIGKILL');
    await child.wait();
  }
}

async function feed({ stdin }: Awaited<ReturnType<Env['processes']['spawn']>>, packed: Bytes): Promise<void> {
  try {
    await stdin?.write(packed);
    await stdin?.end();
  } catch (error) {
    // It ended first; its status says why.
    if (!isSystemError(error, 'EPIPE', 'ECONNRESET')) throw error;
  }
}

async function collect(stream: AsyncIterable<Bytes>): Promise<Bytes> {
  const tooLarge = (): Error =>
    new KelpieError('image_incompatible', `the kernel is larger than ${VMLINUX_BYTES_MAX} bytes.`);
  return await collectBytes(stream, VMLINUX_BYTES_MAX, tooLarge);
}

/** Room for one more: images come and go, and nobody else knows of these files. */
async function removeOldest({ files }: Pick<Env, 'files'>, directory: string): Promise<void> {
  const kernels: { readonly path: string; readonly modifiedMs: number }[] = [];
  for (const name of await files.list(directory)) {
    if (!name.startsWith('vmlinux-')) continue;
    const path = `${directory}/${name}`;
    kernels.push({ path, modifiedMs: (await files.stat(path)).modifiedMs });
  }
  kernels.sort((a, b) => b.modifiedMs - a.modifiedMs);
  for (const { path } of kernels.slice(VMLINUX_KEPT_MAX - 1)) await files.removeTree(path);
}

function startsWith(bytes: Bytes, prefix: Bytes): boolean {
  return bytes.byteLength >= prefix.byteLength && prefix.every((byte, index) => bytes[index] === byte);
}

function unusable(path: string, why: string): KelpieError {
  return new KelpieError(
    'image_incompatible',
    `Firecracker cannot boot the kernel ${path}: ${why}. Build the image again.`,
  );
}
