/** Grows with each change that an older client or daemon would misread. */
export const API_VERSION = 1;
/** Sent by a client with each request; a daemon of another version answers `daemon_version_mismatch`. */
export const API_VERSION_HEADER = 'x-kelpie-api';
