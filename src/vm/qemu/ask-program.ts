import type { Bytes } from '../../base/bytes.ts';
import { concat, utf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import type { Child } from '../../env/processes.ts';
import type { Accelerator } from '../../snapshot/compatibility/facts.ts';
import { isSettledWithin } from '../bounded.ts';
import { LAUNCH_TIMEOUT_MS } from '../limits.ts';
import { QMP_LINE_BYTES_MAX } from './limits.ts';
import { QmpLineSplitter } from './qmp-line-splitter.ts';
import { formatQmpCommand, parseQmpMessage } from './qmp-messages.ts';

export interface ProgramAnswers {
  /** As it greets. */
  readonly version: string;
  /** One for each command, in order. */
  readonly answers: readonly unknown[];
}

/**
 * Starts a QEMU without a machine, asks it commands that take no arguments, and ends it.
 * @param accelerator what the answers are about, where they depend on it.
 * @throws KelpieError `vm_backend_failed` when it does not answer; SystemError when it cannot be started.
 */
export async function askProgram(
  env: Env,
  program: string,
  commands: readonly string[],
  accelerator: Accelerator,
): Promise<ProgramAnswers> {
  const args = [
    '-machine',
    'none',
    '-accel',
    accelerator,
    '-nodefaults',
    '-no-user-config',
    '-display',
    'none',
    '-S',
    '-qmp',
    'stdio',
  ];
  const child = await env.processes.spawn({ command: program, args, output: 'capture', stdin: 'pipe' });
  try {
    const asked = ask(child, program, commands);
    // Unseen when the time is over first: the process is ended then, which ends it too.
    asked.catch(() => undefined);
    if (await isSettledWithin(env.clock, asked, LAUNCH_TIMEOUT_MS)) return await asked;
    throw new KelpieError('vm_backend_failed', `${program} did not answer in ${LAUNCH_TIMEOUT_MS / 1000} s.`);
  } finally {
    child.kill('SIGKILL');
    await child.wait();
  }
}

async function ask(child: Child, program: string, commands: readonly string[]): Promise<ProgramAnswers> {
  const lines = ['qmp_capabilities', ...commands, 'quit'].map((command, id) =>
    utf8(formatQmpCommand(id, command, null)),
  );
  await child.stdin?.write(concat(lines));
  let version: string | null = null;
  const answers: unknown[] = [];
  const splitter = new QmpLineSplitter(QMP_LINE_BYTES_MAX);
  for await (const message of messages(child.stdout, splitter)) {
    if (message.kind === 'greeting') version = message.version;
    if (message.kind === 'refusal') throw failed(program, message.description);
    if (message.kind === 'result' && message.id >= 1) answers.push(message.value);
    if (version !== null && answers.length === commands.length) return { version, answers };
  }
  throw failed(program, 'it ended first');
}

async function* messages(
  stream: AsyncIterable<Bytes>,
  splitter: QmpLineSplitter,
): AsyncGenerator<ReturnType<typeof parseQmpMessage>> {
  for await (const chunk of stream) {
    for (const line of splitter.feed(chunk)) yield parseQmpMessage(line);
  }
}

function failed(program: string, why: string): KelpieError {
  return new KelpieError('vm_backend_failed', `${program} does not tell what it can do: ${why}`);
}
