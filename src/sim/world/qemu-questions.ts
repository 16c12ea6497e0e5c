/** A QEMU without a machine, that is only asked what it can do: `-qmp stdio`. */
import { defined } from '../../base/assert.ts';
import type { StandardStreams } from '../env/sim-processes.ts';
import type { SimProcess } from '../process.ts';
import { QmpRefusal, QmpServer } from './qmp-server.ts';

const named = (...names: readonly string[]): readonly unknown[] => names.map((name) => ({ name }));

const answers: ReadonlyMap<string, unknown> = new Map([
  ['query-machines', named('pc-q35-7.2', 'none')],
  ['query-cpu-definitions', named('Nehalem-v1', 'qemu64-v1')],
  [
    'query-commands',
    named(
      'xen-save-devices-state',
      'blockdev-snapshot',
      'migrate-incoming',
      'pmemsave',
      'ringbuf-read',
      'cont',
    ),
  ],
]);

export async function answerQuestions(process: SimProcess, streams: StandardStreams): Promise<number> {
  const ended = Promise.withResolvers<number>();
  const stdin = defined(streams.stdin, 'standard input');
  const stdout = defined(streams.stdout, 'standard output');
  const server = new QmpServer(
    async (command) => {
      if (command === 'quit') return undefined;
      if (!answers.has(command)) throw new QmpRefusal(`The command ${command} has not been found`);
      return answers.get(command);
    },
    () => ended.resolve(0),
  );
  server.connect({
    read: () => stdin.read(process, 'qemu.stdin'),
    write: (bytes) => stdout.write(process, 'qemu.stdout', bytes),
    close: () => ended.resolve(0),
  });
  return ended.promise;
}
