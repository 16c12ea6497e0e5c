import { isUuid } from '../../base/uuid.ts';

/**
 * Packs are named `packs/SESSION/NUMBER`. A session is one publish: a random UUID that is never used again, so that no name is ever
 * written twice with other bytes, which sealing (`store/keys`) and deleting both stand on.
 */
export interface PackName {
  /** UUID. */
  readonly session: string;
  /** From 0, in order of the publish. */
  readonly number: number;
}

/** As in manifests and seals: `SESSION/NUMBER`. */
export function packText({ session, number }: PackName): string {
  return `${session}/${number}`;
}

export const PACKS_PREFIX = 'packs/';

/** Key of the pack in the object store. */
export function packKey(name: PackName): string {
  return `${PACKS_PREFIX}${packText(name)}`;
}

const PACK_NUMBER_PATTERN = /^(?:0|[1-9]\d{0,8})$/;

/** The reverse of `packText`, of text that is not trusted; null when it names no pack. */
export function parsePackText(text: string): PackName | null {
  const [session = '', number = '', ...rest] = text.split('/');
  if (rest.length > 0 || !isUuid(session) || !PACK_NUMBER_PATTERN.test(number)) return null;
  return { session, number: Number(number) };
}
