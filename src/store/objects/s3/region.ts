import type { Host } from '../../../env/host.ts';
import type { AwsProfile } from './aws-profile.ts';

export const REGION_DEFAULT = 'us-east-1';
const regionPattern = /^[a-z0-9-]{1,40}$/;

/** True for a name that may be sent as a region, wherever it came from. */
export function isRegion(text: string): boolean {
  return regionPattern.test(text);
}

/** What a person has set as the region, which need not be one. */
export function wantedRegion(host: Pick<Host, 'variable'>, profile: AwsProfile): string | undefined {
  return host.variable('AWS_REGION') ?? host.variable('AWS_DEFAULT_REGION') ?? profile.get('region');
}
