/** Bounds of stores; what is larger is refused before anything is allocated for it. */
import { HOUR_MS, KIB, SECOND_MS } from '../base/units.ts';

export const OWNERSHIP_RECORD_BYTES_MAX: number = 16 * KIB;
/** What a host tells a store of itself, sealed or not; some ten kilobytes. */
export const HOST_RECORD_BYTES_MAX: number = 512 * KIB;
/** Hosts that one store knows. */
export const HOSTS_LISTED_MAX = 1000;
export const SEGMENT_BYTES_MAX: number = 2 ** 44;
export const IMAGE_FILES_MAX = 32;
export const STORE_URL_LENGTH_MAX = 4096;
export const HOST_NAME_LENGTH_MAX = 255;
export const PACKAGES_LISTED_MAX = 1000;
export const OWNERSHIP_RECORDS_LISTED_MAX = 10_000;
/** A shorter lease leaves no time to renew it over a slow network; a longer one helps nobody who waits for its end. */
export const LEASE_MS_MIN: number = 20 * SECOND_MS;
export const LEASE_MS_MAX: number = 24 * HOUR_MS;
