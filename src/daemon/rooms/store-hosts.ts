import { findHost } from '../../store/hosts/find-host.ts';
import { storeQuery } from '../api/packages.ts';
import { routes } from '../api/routes.ts';
import { storeJoin } from '../api/store-hosts.ts';
import { answerJson } from '../answers.ts';
import { readBody, readQuery } from '../requests.ts';
import { parameter } from '../room.ts';
import type { HostRecord } from '../../store/hosts/host-record.ts';
import type { ToldHost } from '../api/store-hosts.ts';
import type { Room } from '../room.ts';

export const storeHostsRoom: Room<'storeHosts' | 'storeJoin' | 'storeForget'> = ({ host, told }) => ({
  storeHosts: async (request) => {
    const { hosts } = await host.openStore(readQuery(request, storeQuery).storeUrl);
    const listings = await hosts.list();
    return answerJson(routes.storeHosts, {
      hosts: listings.flatMap((listing) => {
        if (listing.damaged) return [];
        const { record } = listing;
        const isThisHost = record.hostId === host.identity.id;
        return [{ ...viewRecord(record), isThisHost, signedBy: record.signedBy }];
      }),
      damaged: listings.flatMap((listing) =>
        listing.damaged ? [{ id: listing.hostId, reason: listing.reason }] : [],
      ),
    });
  },

  storeJoin: async (request) => {
    const { storeUrl } = await readBody(request, storeJoin);
    return answerJson(routes.storeJoin, { storeUrl, ...viewRecord(await told.tellAnew(storeUrl)) });
  },

  storeForget: async (request, parameters) => {
    const { storeUrl } = readQuery(request, storeQuery);
    const { hosts } = await host.openStore(storeUrl);
    const reference = parameter(parameters, 'host');
    const listings = await hosts.list();
    // What cannot be read must be removable, by its id.
    const damaged = listings.find((listing) => listing.damaged && listing.hostId === reference);
    await hosts.remove(damaged === undefined ? findHost(listings, reference, storeUrl).hostId : reference);
    return answerJson(routes.storeForget, {});
  },
});

function viewRecord({ hostId, name, kelpieVersion, toldAtUnixMs, facts }: HostRecord): ToldHost {
  return { id: hostId, name, kelpieVersion, toldAtUnixMs, facts };
}
