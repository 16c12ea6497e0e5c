import { KelpieError } from '../../base/errors.ts';
import { changeStoreKeys, createEncryptedStore } from '../../store/keys/change-store-keys.ts';
import { describeStore } from '../../store/keys/describe-store.ts';
import { readOwnRecipients } from '../../store/keys/host-keys.ts';
import { requireRecipientLike } from '../../store/keys/public-keys.ts';
import { rotated, withoutRecipient, withRecipient } from '../../store/keys/store-keys.ts';
import { openObjects } from '../../store/objects/open-objects.ts';
import { storeQuery } from '../api/packages.ts';
import { routes } from '../api/routes.ts';
import { storeInit, storeRecipients, storeRotate } from '../api/stores.ts';
import { answerJson } from '../answers.ts';
import { readBody, readQuery } from '../requests.ts';
import type { StoreKeys } from '../../store/keys/store-keys.ts';
import type { RecipientView, StoreKeysView, StoreView } from '../api/stores.ts';
import type { Room } from '../room.ts';
import type { Supervisor } from '../supervisor.ts';

export const storesRoom: Room<'storeShow' | 'storeInit' | 'storeRecipients' | 'storeRotate'> = (
  supervisor,
) => {
  const { env, places } = supervisor.host;
  const { home } = places;
  const change = async (storeUrl: string, act: (keys: StoreKeys) => StoreKeys): Promise<StoreKeysView> => {
    const objects = await openObjects(env, storeUrl);
    const own = await readOwnRecipients(env, home);
    const keys = await changeStoreKeys(env, objects, { home, url: storeUrl }, act);
    return { storeUrl, ...viewKeys(keys, own) };
  };
  return {
    storeShow: async (request) => {
      const { storeUrl } = readQuery(request, storeQuery);
      return answerJson(routes.storeShow, await viewStore(supervisor, storeUrl));
    },

    storeInit: async (request) => {
      const { storeUrl, recipients, self } = await readBody(request, storeInit);
      const objects = await openObjects(env, storeUrl);
      const own = await readOwnRecipients(env, home);
      const all = [...(self ? [requireFirst(own)] : []), ...recipients];
      const keys = await createEncryptedStore(env, objects, { home, url: storeUrl }, all);
      return answerJson(routes.storeInit, { storeUrl, ...viewKeys(keys, own) });
    },

    storeRecipients: async (request) => {
      const { storeUrl, add, remove } = await readBody(request, storeRecipients);
      for (const recipient of [...add, ...remove]) requireRecipientLike(recipient);
      const view = await change(storeUrl, (keys) =>
        remove.reduce(withoutRecipient, add.reduce(withRecipient, keys)),
      );
      return answerJson(routes.storeRecipients, view);
    },

    storeRotate: async (request) => {
      const { storeUrl } = await readBody(request, storeRotate);
      const view = await change(storeUrl, (keys) => rotated(env, keys));
      return answerJson(routes.storeRotate, view);
    },
  };
};

function requireFirst([recipient]: readonly string[]): string {
  if (recipient !== undefined) return recipient;
  throw new KelpieError('not_found', 'this host has no key to read with: make one with `kelpie key init`.');
}

function viewKeys(
  { recipients, dataKeys, revision }: StoreKeys,
  own: readonly string[],
): Omit<StoreKeysView, 'storeUrl'> {
  return { recipients: viewRecipients(recipients, own), keyIds: dataKeys.map(({ id }) => id), revision };
}

function viewRecipients(recipients: readonly string[], own: readonly string[]): readonly RecipientView[] {
  return recipients.map((recipient) => ({ recipient, isThisHost: own.includes(recipient) }));
}

async function viewStore({ host }: Supervisor, storeUrl: string): Promise<StoreView> {
  const { env, places } = host;
  const objects = await openObjects(env, storeUrl);
  const own = await readOwnRecipients(env, places.home);
  const described = await describeStore(env, objects, { home: places.home, url: storeUrl });
  const { encryption } = described;
  return {
    ...described,
    storeUrl,
    encryption:
      encryption === null ? null : { ...encryption, recipients: viewRecipients(encryption.recipients, own) },
  };
}
