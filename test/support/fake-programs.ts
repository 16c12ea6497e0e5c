/** Programs that answer at once: what a host's tools would say. */
import { utf8 } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Child, Processes, SpawnOptions } from '../../src/env/processes.ts';
import { SystemError } from '../../src/env/system-error.ts';

export interface ProgramAnswer {
  readonly code: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

export class FakePrograms implements Pick<Processes, 'spawn'> {
  /** Every command line that was started. */
  readonly started: string[] = [];
  readonly #answer: (line: string) => ProgramAnswer | null;

  /** @param answer null: there is no such program. */
  constructor(answer: (line: string) => ProgramAnswer | null) {
    this.#answer = answer;
  }

  async spawn({ command, args }: SpawnOptions): Promise<Child> {
    const line = [command, ...args].join(' ');
    this.started.push(line);
    const answer = this.#answer(line);
    if (answer === null) throw new SystemError('ENOENT', 'spawn', command);
    return {
      identity: { pid: 1, startedAt: '0' },
      stdout: once(answer.stdout ?? ''),
      stderr: once(answer.stderr ?? ''),
      stdin: null,
      wait: async () => ({ code: answer.code }),
      kill: () => undefined,
    };
  }
}

async function* once(text: string): AsyncGenerator<Bytes> {
  await Promise.resolve();
  if (text !== '') yield utf8(text);
}
