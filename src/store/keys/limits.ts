/** Bounds of keys and of the files that hold them. */
import { KIB } from '../../base/units.ts';

/** Data keys of one store: one more with each rotation. */
export const DATA_KEYS_MAX = 64;
/** Longest of a host's key files. */
export const KEY_FILE_BYTES_MAX: number = 64 * KIB;
/** Identities in a host's file, each of which is tried. */
export const IDENTITIES_MAX = 64;
export const TRUSTED_KEYS_MAX = 256;
/** Of a document's salt, which makes its key one that was never used. */
export const SALT_BYTES = 16;
