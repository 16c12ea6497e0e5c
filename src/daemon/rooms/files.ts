import { FILE_INFO_HEADER, fileQuery, fileWriteQuery } from '../api/files.ts';
import { routes } from '../api/routes.ts';
import { answerBytes, answerJson } from '../answers.ts';
import { bodyBytes, readQuery } from '../requests.ts';
import { parameter } from '../room.ts';
import type { GuestAgent } from '../../guest/guest-agent.ts';
import type { Parameters, Room } from '../room.ts';

export const filesRoom: Room<'fileRead' | 'fileWrite' | 'fileStat'> = (supervisor) => {
  const agentOf = async (parameters: Parameters, act: string): Promise<GuestAgent> =>
    supervisor.registry.require(parameter(parameters, 'vm')).requireLive(act).agent();
  return {
    fileRead: async (request, parameters) => {
      const { path } = readQuery(request, fileQuery);
      const { info, bytes } = await (await agentOf(parameters, 'read a file of')).readFile(path);
      return answerBytes('application/octet-stream', bytes, { [FILE_INFO_HEADER]: JSON.stringify(info) });
    },

    fileWrite: async (request, parameters) => {
      const write = readQuery(request, fileWriteQuery);
      const agent = await agentOf(parameters, 'write a file of');
      return answerJson(routes.fileWrite, await agent.writeFile(write, bodyBytes(request)));
    },

    fileStat: async (request, parameters) => {
      const { path } = readQuery(request, fileQuery);
      return answerJson(routes.fileStat, await (await agentOf(parameters, 'look into')).stat(path));
    },
  };
};
