/**
 * A snapshot's state file. As in Firecracker's: a magic number that names the architecture, the version of the format, the state,
 * and a CRC-64 of all that. The state itself is our own: what was configured, and the device state of whatever runs the guest.
 *
 *     0   u64  magic
 *     8   u32 × 3  version: major, minor, patch
 *     20  u32  bytes of the configuration
 *     24  configuration, JSON
 *         device state
 *         u64  CRC-64 of everything before
 *
 * All little-endian.
 */
import { fromUtf8, utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
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
  /** Where the device state begins in the file. */
  readonly deviceStateOffset: number;
}

export function encodeStateFile(version: Version, configuration: unknown, deviceState: Bytes): Bytes {
  const json = utf8(JSON.stringify(configuration));
  const file = new Uint8Array(HEADER_BYTES + json.byteLength + deviceState.byteLength + CRC_BYTES);
  const view = viewOf(file);
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(8, version.major, true);
  view.setUint32(12, version.minor, true);
  view.setUint32(16, version.patch, true);
  view.setUint32(20, json.byteLength, true);
  file.set(json, HEADER_BYTES);
  file.set(deviceState, HEADER_BYTES + json.byteLength);
  const end = file.byteLength - CRC_BYTES;
  view.setBigUint64(end, crc64(file.subarray(0, end)), true);
  return file;
}

/** Why a state file was not read, in the words of Firecracker. */
export class StateFileError extends Error {
  override readonly name = 'StateFileError';
}

/** @throws StateFileError when the file is damaged, of another architecture or of a version that `supported` does not read. */
export function parseStateFile(bytes: Bytes, supported: Version): StateFile {
  if (bytes.byteLength > STATE_FILE_BYTES_MAX) {
    throw new StateFileError(`Snapshot size exceeds limit of ${STATE_FILE_BYTES_MAX} bytes`);
  }
  if (bytes.byteLength < HEADER_BYTES + CRC_BYTES) {
    throw new StateFileError('IO Error: File too short to contain CRC');
  }
  const view = viewOf(bytes);
  const magic = view.getBigUint64(0, true);
  if (magic !== MAGIC) throw new StateFileError(`Magic value does not match arch: ${magic}`);
  const version = {
    major: view.getUint32(8, true),
    minor: view.getUint32(12, true),
    patch: view.getUint32(16, true),
  };
  if (version.major !== supported.major || version.minor > supported.minor) {
    throw new StateFileError(`Invalid data version: ${formatVersion(version)}`);
  }
  if (crc64(bytes) !== 0n) throw new StateFileError('CRC64 validation failed');
  const deviceStateOffset = HEADER_BYTES + view.getUint32(20, true);
  const configuration: unknown = JSON.parse(fromUtf8(bytes.subarray(HEADER_BYTES, deviceStateOffset)));
  return { version, configuration, deviceStateOffset };
}

/** The device state in a state file, which was parsed. */
export function deviceStateIn(bytes: Bytes, offset: number): Bytes {
  return bytes.subarray(offset, bytes.byteLength - CRC_BYTES);
}

/** What `--describe-snapshot` prints. @throws StateFileError. */
export function describeStateFile(bytes: Bytes, supported: Version): string {
  return `v${formatVersion(parseStateFile(bytes, supported).version)}`;
}

/** The text for anything that reading a state file throws. */
export function stateFileFault(error: unknown): string {
  if (error instanceof StateFileError) return `Failed to load snapshot state from file: ${error.message}`;
  return `Failed to open snapshot file: ${osError(error)}`;
}
