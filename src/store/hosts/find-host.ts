import { KelpieError } from '../../base/errors.ts';
import type { SignedHostRecord } from './host-record.ts';
import type { HostListing } from './host-records.ts';

/** The shortest beginning of an id that a person may give. */
const ID_BEGINNING_MIN = 4;
const NAMES_TOLD_MAX = 8;

/**
 * The host that a person means.
 * @param reference its name, its id, or a beginning of that which no other has.
 * @throws KelpieError `host_not_found`, `invalid_argument` for one that fits several, `package_corrupt` when what that host said cannot be used.
 */
export function findHost(
  listings: readonly HostListing[],
  reference: string,
  storeUrl: string,
): SignedHostRecord {
  const [found, another] = fitting(listings, reference);
  if (found === undefined) throw notFound(listings, reference, storeUrl);
  if (another !== undefined) {
    const message = `several hosts of ${storeUrl} are called ${reference}: name one by its id, which \`kelpie store hosts\` lists.`;
    throw new KelpieError('invalid_argument', message);
  }
  if (!found.damaged) return found.record;
  throw new KelpieError('package_corrupt', found.reason);
}

function fitting(listings: readonly HostListing[], reference: string): readonly HostListing[] {
  const whole = listings.filter((listing) => idOf(listing) === reference);
  if (whole.length > 0) return whole;
  return listings.filter((listing) => {
    const isNamed = !listing.damaged && listing.record.name === reference;
    return isNamed || (reference.length >= ID_BEGINNING_MIN && idOf(listing).startsWith(reference));
  });
}

function idOf(listing: HostListing): string {
  return listing.damaged ? listing.hostId : listing.record.hostId;
}

function notFound(listings: readonly HostListing[], reference: string, storeUrl: string): KelpieError {
  const names = listings.flatMap((listing) => (listing.damaged ? [] : [listing.record.name]));
  const more = names.length > NAMES_TOLD_MAX ? ` and ${names.length - NAMES_TOLD_MAX} more` : '';
  const known =
    names.length === 0
      ? 'no host has told it anything yet'
      : `it knows ${names.slice(0, NAMES_TOLD_MAX).join(', ')}${more}`;
  const message = `what host ${reference} can run is not known in ${storeUrl}: ${known}; run \`kelpie store hosts ${storeUrl} --join\` there.`;
  return new KelpieError('host_not_found', message);
}
