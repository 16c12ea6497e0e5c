import { createHostKeys, readHostKeys, trustSigner } from '../../store/keys/host-keys.ts';
import { distrustKey } from '../../store/keys/trusted-keys.ts';
import { keyDistrust, keyInit, keyTrust } from '../api/keys.ts';
import { routes } from '../api/routes.ts';
import { answerJson } from '../answers.ts';
import { readBody } from '../requests.ts';
import type { HostKeys } from '../../store/keys/host-keys.ts';
import type { Room } from '../room.ts';

export const keysRoom: Room<'keyShow' | 'keyInit' | 'keyTrust' | 'keyDistrust'> = (supervisor) => {
  const { env, places } = supervisor.host;
  const { home } = places;
  /** One writer of the key files at a time. No VM has a colon in its name, so this is no VM's lock. */
  const change = (act: () => Promise<HostKeys>): Promise<HostKeys> =>
    supervisor.operate('host:keys', 'change the keys of this host', act);
  return {
    keyShow: async () => answerJson(routes.keyShow, await readHostKeys(env, home)),

    keyInit: async (request) => {
      const { sign } = await readBody(request, keyInit);
      return answerJson(routes.keyInit, await change(() => createHostKeys(env, home, sign)));
    },

    keyTrust: async (request) => {
      const key = await readBody(request, keyTrust);
      return answerJson(routes.keyTrust, await change(() => trustSigner(env, home, key)));
    },

    keyDistrust: async (request) => {
      const { publicKey } = await readBody(request, keyDistrust);
      const keys = await change(async () => {
        await distrustKey(env, home, publicKey);
        return await readHostKeys(env, home);
      });
      return answerJson(routes.keyDistrust, keys);
    },
  };
};
