export const REGION_DEFAULT = 'us-east-1';
const regionPattern = /^[a-z0-9-]{1,40}$/;

/** True for a name that may be sent as a region, wherever it came from. */
export function isRegion(text: string): boolean {
  return regionPattern.test(text);
}
