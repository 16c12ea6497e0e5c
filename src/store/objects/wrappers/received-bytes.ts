/** The size of the body that an act brought; 0 for all but `get`. */
export function receivedBytes(result: unknown): number {
  if (typeof result !== 'object' || result === null || !('bytes' in result)) return 0;
  return result.bytes instanceof Uint8Array ? result.bytes.byteLength : 0;
}
