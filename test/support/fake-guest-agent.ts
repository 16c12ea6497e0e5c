/** A guest agent without a guest: it runs `count` (adds one to the machine's counter and prints it) and nothing else. */
import { utf8 } from '../../src/base/bytes.ts';
import { KelpieError } from '../../src/base/errors.ts';
import type { GuestAgent, GuestSession, SessionEvent } from '../../src/guest/guest-agent.ts';
import type { FakeMachine } from './fake-machines.ts';

export function fakeGuestAgent(machine: FakeMachine): GuestAgent {
  const unsupported = async (): Promise<never> => {
    throw new KelpieError('guest_failed', 'the fake guest cannot do this.');
  };
  return {
    bootId: '0'.repeat(32),
    generation: machine.generation,
    closed: new Promise(() => {}),
    health: unsupported,
    startSession: async ({ argv }) => {
      if (argv[0] !== 'count')
        throw new KelpieError('command_not_executable', `there is no ${argv[0] ?? ''}.`);
      return countSession(machine);
    },
    startDetached: unsupported,
    attachSession: unsupported,
    listSessions: async () => [],
    signalSession: unsupported,
    forgetSession: unsupported,
    stat: unsupported,
    readFile: unsupported,
    writeFile: unsupported,
    repair: unsupported,
    setClock: unsupported,
    sync: unsupported,
    powerOff: unsupported,
    quiesce: unsupported,
    close: () => undefined,
  };
}

function countSession(machine: FakeMachine): GuestSession {
  return {
    session: 1,
    pid: 2,
    offsets: { stdout: 0, stderr: 0 },
    stdinOffset: 0,
    events: countEvents(machine),
    writeStdin: async () => undefined,
    endStdin: async () => undefined,
    signal: async () => undefined,
    resize: async () => undefined,
    detach: async () => undefined,
  };
}

async function* countEvents(machine: FakeMachine): AsyncGenerator<SessionEvent> {
  const page = machine.pages.get(0) ?? new Uint8Array(4096);
  const view = new DataView(page.buffer, page.byteOffset);
  view.setUint32(0, view.getUint32(0, true) + 1, true);
  yield { kind: 'output', stream: 'stdout', offset: 0, bytes: utf8(`${view.getUint32(0, true)}\n`) };
  yield { kind: 'end', stream: 'stdout', offset: 2 };
  yield { kind: 'end', stream: 'stderr', offset: 0 };
  yield { kind: 'exit', exit: { code: 0, timedOut: false } };
}
