import { KelpieError } from '../../base/errors.ts';
import { execStart, signalRequest } from '../api/exec.ts';
import { EXEC_CONTENT_TYPE } from '../api/exec-frames.ts';
import { routes } from '../api/routes.ts';
import { openAttachment } from '../attachment.ts';
import { answerBytes, answerJson } from '../answers.ts';
import { bodyBytes, readBody } from '../requests.ts';
import { parameter } from '../room.ts';
import type { GuestAgent } from '../../guest/guest-agent.ts';
import type { Parameters, Room } from '../room.ts';

export const sessionsRoom: Room<
  'sessionList' | 'sessionStart' | 'sessionSignal' | 'sessionForget' | 'attach'
> = (supervisor) => {
  const agentOf = async (parameters: Parameters): Promise<GuestAgent> =>
    supervisor.registry.require(parameter(parameters, 'vm')).requireLive('run a command in').agent();
  return {
    sessionList: async (_request, parameters) =>
      answerJson(routes.sessionList, { sessions: await (await agentOf(parameters)).listSessions() }),

    sessionStart: async (request, parameters) => {
      const start = await readBody(request, execStart);
      return answerJson(routes.sessionStart, await (await agentOf(parameters)).startDetached(start));
    },

    sessionSignal: async (request, parameters) => {
      const { signal } = await readBody(request, signalRequest);
      await (await agentOf(parameters)).signalSession(sessionNumber(parameters), signal);
      return answerJson(routes.sessionSignal, {});
    },

    sessionForget: async (_request, parameters) => {
      await (await agentOf(parameters)).forgetSession(sessionNumber(parameters));
      return answerJson(routes.sessionForget, {});
    },

    attach: async (request, parameters) => {
      const output = await openAttachment(() => agentOf(parameters), bodyBytes(request));
      return answerBytes(EXEC_CONTENT_TYPE, output);
    },
  };
};

function sessionNumber(parameters: Parameters): number {
  const text = parameter(parameters, 'session');
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new KelpieError('invalid_argument', `"${text}" is not the number of a session.`);
}
