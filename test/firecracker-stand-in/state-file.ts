/**
 * A snapshot's state file. As in Firecracker's: a magic number that names the architecture, the version of the format, the state,
 * and a CRC-64 of all that. The state itself is the stand-in's own: what was configured, and QEMU's device state.
 *
 *     0   u64  magic
 *     8   u32 × 3  version: major, minor, patch
 *     20  u32  bytes of the configuration
 *     24  configuration, JSON
 *         device state of QEMU
 *         u64  CRC-64 of everything before
 *
 * All little-endian.
 */
import { readFileSync } from 'node:fs';
import { crc64 } from './crc64.ts';
import { osError } from './fault.ts';
import { formatVersion } from './version.ts';
import type { Version } from './version.ts';

const MAGIC = 0x0710_1984_8664_0000n;
const HEADER_BYTES = 24;
const CRC_BYTES = 8;
/** Firecracker's own bound. */
const STATE_FILE_BYTES_MAX = 10_000_000;

export interface StateFile {
  readonly version: Version;
  readonly configuration: unknown;
  /** Where QEMU's device state begins in the file. */
  readonly deviceStateOffset: number;
}

export function encodeStateFile(
  version: Version,
  configuration: unknown,
  deviceState: Uint8Array,
): Uint8Array {
  const json = Buffer.from(JSON.stringify(configuration));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeBigUInt64LE(MAGIC, 0);
  header.writeUInt32LE(version.major, 8);
  header.writeUInt32LE(version.minor, 12);
  header.writeUInt32LE(version.patch, 16);
  header.writeUInt32LE(json.byteLength, 20);
  const sum = Buffer.alloc(CRC_BYTES);
  const content = Buffer.concat([header, json, deviceState]);
  sum.writeBigUInt64LE(crc64(content));
  return Buffer.concat([content, sum]);
}

/** Why a state file was not read, in the words of Firecracker. */
export class StateFileError extends Error {
  override readonly name = 'StateFileError';
}

/** @throws StateFileError when the file is damaged, of another architecture or of a version that `supported` does not read. */
export function readStateFile(path: string, supported: Version): StateFile {
  const bytes = readBounded(path);
  const magic = bytes.readBigUInt64LE(0);
  if (magic !== MAGIC) throw new StateFileError(`Magic value does not match arch: ${magic}`);
  const version = {
    major: bytes.readUInt32LE(8),
    minor: bytes.readUInt32LE(12),
    patch: bytes.readUInt32LE(16),
  };
  if (version.major !== supported.major || version.minor > supported.minor) {
    throw new StateFileError(`Invalid data version: ${formatVersion(version)}`);
  }
  if (crc64(bytes) !== 0n) throw new StateFileError('CRC64 validation failed');
  const deviceStateOffset = HEADER_BYTES + bytes.readUInt32LE(20);
  const json = bytes.subarray(HEADER_BYTES, deviceStateOffset).toString('utf8');
  return { version, configuration: JSON.parse(json), deviceStateOffset };
}

/** What `--describe-snapshot` prints. @throws StateFileError. */
export function describeStateFile(path: string, supported: Version): string {
  return `v${formatVersion(readStateFile(path, supported).version)}`;
}

function readBounded(path: string): Buffer {
  const bytes = readFileSync(path);
  if (bytes.byteLength > STATE_FILE_BYTES_MAX) {
    throw new StateFileError(`Snapshot size exceeds limit of ${STATE_FILE_BYTES_MAX} bytes`);
  }
  if (bytes.byteLength < HEADER_BYTES + CRC_BYTES) {
    throw new StateFileError('IO Error: File too short to contain CRC');
  }
  return bytes;
}

/** The text for anything that reading a state file throws. */
export function stateFileFault(error: unknown): string {
  if (error instanceof StateFileError) return `Failed to load snapshot state from file: ${error.message}`;
  return `Failed to open snapshot file: ${osError(error)}`;
}
