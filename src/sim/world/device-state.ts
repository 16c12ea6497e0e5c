/** The file that the simulated QEMU saves its devices in: as opaque to everybody else as the real one's, and as picky. */
import { z } from 'zod';
import { fromUtf8, utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { PureCompute } from '../../env/compute.ts';
import { parseJson } from '../parse-json.ts';
import type { DeviceState } from './guest.ts';

const stateSchema: z.ZodType<DeviceState> = z.object({
  vmKey: z.string(),
  count: z.number(),
  ramDigest: z.string(),
  diskCount: z.number(),
});

/** As large as needed to be torn in the middle. */
const FILE_BYTES = 20_000;
const HEADER_BYTES = 8;

export function encodeDeviceState(compute: PureCompute, state: DeviceState): Bytes {
  const file = new Uint8Array(FILE_BYTES).fill(0xa5);
  const json = utf8(JSON.stringify(state));
  file.set(json, HEADER_BYTES);
  const view = viewOf(file);
  view.setUint32(0, json.byteLength, true);
  view.setUint32(4, compute.crc32(file.subarray(HEADER_BYTES)), true);
  return file;
}

/** Null when it is damaged: QEMU refuses it. */
export function decodeDeviceState(compute: PureCompute, file: Bytes): DeviceState | null {
  if (file.byteLength !== FILE_BYTES) return null;
  const view = viewOf(file);
  if (view.getUint32(4, true) !== compute.crc32(file.subarray(HEADER_BYTES))) return null;
  const json = fromUtf8(file.subarray(HEADER_BYTES, HEADER_BYTES + view.getUint32(0, true)));
  return parseJson(stateSchema, json);
}
