/** This program's version; `scripts/tidy` holds it equal to package.json's. */
export const KELPIE_VERSION = '0.1.0';
