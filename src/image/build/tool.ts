/** Runs the programs that a build stands on: apt, dpkg-deb, mke2fs, mksquashfs. */
import { concat, fromUtf8, fromUtf8Lossy } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { isSystemError } from '../../env/system-error.ts';
import { TOOL_ERROR_BYTES_MAX, TOOL_OUTPUT_BYTES_MAX } from '../limits.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Env } from '../../env/env.ts';
import type { Child, ExitStatus } from '../../env/processes.ts';

export interface ToolRun {
  readonly command: string;
  readonly args: readonly string[];
  /** Beside `PATH`, `HOME` and `LC_ALL=C.UTF-8`: a tool sees nothing else of the host's environment. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What the tool reads on standard input. */
  readonly input?: AsyncIterable<Bytes>;
  readonly signal: AbortSignal;
}

/** How many of a tool's last lines are told: apt and make say what went wrong at the end. */
const TOOL_ERROR_LINES = 4;

/** Which Debian package has a tool, for the sentence when it is missing. */
const toolPackages: Readonly<Record<string, string>> = {
  'apt-get': 'apt',
  'dpkg-deb': 'dpkg',
  make: 'make',
  mke2fs: 'e2fsprogs',
  mksquashfs: 'squashfs-tools (4.5 or newer)',
  xz: 'xz-utils',
  zstd: 'zstd',
};

/**
 * Runs a tool to its end and hands its output to `onOutput` as it comes.
 * @throws KelpieError `image_build_failed` when it is missing or fails, with the end of what it said on standard error;
 * the signal's reason, after the tool has ended, when the signal is aborted.
 */
export async function runTool(
  env: Env,
  run: ToolRun,
  onOutput: (bytes: Bytes) => Promise<void> | void = () => undefined,
): Promise<void> {
  run.signal.throwIfAborted();
  const child = await startTool(env, run);
  const stop = (): void => child.kill('SIGTERM');
  run.signal.addEventListener('abort', stop, { once: true });
  try {
    const errors = keepEnd(child.stderr);
    const results = await Promise.allSettled([feed(child, run.input), forward(child, onOutput), errors]);
    const status = await child.wait();
    run.signal.throwIfAborted();
    for (const result of results) {
      // A closed pipe is only the echo of the tool's own failure.
      if (result.status === 'rejected' && !isSystemError(result.reason, 'EPIPE', 'ECONNRESET', 'ECANCELED'))
        throw result.reason;
    }
    if (!isSuccess(status)) throw toolFailed(run.command, status, await errors);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  } finally {
    run.signal.removeEventListener('abort', stop);
  }
}

/** Runs a tool and returns its output. @throws like `runTool`, and when the output is larger than `TOOL_OUTPUT_BYTES_MAX`. */
export async function toolOutput(
  env: Env,
  run: ToolRun,
  sizeBytesMax: number = TOOL_OUTPUT_BYTES_MAX,
): Promise<Bytes> {
  const parts: Bytes[] = [];
  let length = 0;
  await runTool(env, run, (bytes) => {
    length += bytes.byteLength;
    if (length > sizeBytesMax) {
      throw new KelpieError(
        'image_build_failed',
        `${run.command} gave more than ${sizeBytesMax} bytes; this is not expected.`,
      );
    }
    parts.push(bytes.slice());
  });
  return concat(parts);
}

/**
 * A tool's output as a stream that is read at the reader's pace. When the reader stops early, the tool is ended.
 * @throws like `runTool`, after the last bytes: nothing that was read counts before the stream has ended.
 */
export async function* toolStream(env: Env, run: ToolRun): AsyncGenerator<Bytes, void> {
  run.signal.throwIfAborted();
  const child = await startTool(env, run);
  const stop = (): void => child.kill('SIGTERM');
  run.signal.addEventListener('abort', stop, { once: true });
  const errors = keepEnd(child.stderr);
  try {
    yield* child.stdout;
    const status = await child.wait();
    run.signal.throwIfAborted();
    if (!isSuccess(status)) throw toolFailed(run.command, status, await errors);
  } finally {
    // Ended already, unless the reader has stopped early.
    stop();
    await Promise.all([child.wait(), errors]);
    run.signal.removeEventListener('abort', stop);
  }
}

/** The output as lines, without empty ones. */
export async function toolLines(env: Env, run: ToolRun): Promise<readonly string[]> {
  return fromUtf8(await toolOutput(env, run))
    .split('\n')
    .filter((line) => line !== '');
}

async function startTool(env: Env, run: ToolRun): Promise<Child> {
  const path = env.host.variable('PATH') ?? '/usr/bin:/bin';
  try {
    return await env.processes.spawn({
      command: run.command,
      args: run.args,
      environment: {
        // mke2fs lives in sbin, which a user's PATH often lacks.
        PATH: `${path}:/usr/local/sbin:/usr/sbin:/sbin`,
        HOME: env.host.homeDirectory,
        LC_ALL: 'C.UTF-8',
        ...run.environment,
      },
      ...(run.cwd === undefined ? {} : { cwd: run.cwd }),
      output: 'capture',
      ...(run.input === undefined ? {} : { stdin: 'pipe' as const }),
    });
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
    const package_ = toolPackages[run.command] ?? run.command;
    throw new KelpieError(
      'image_build_failed',
      `Building an image needs ${run.command}; install the package ${package_}.`,
      {
        cause: error,
      },
    );
  }
}

async function feed(child: Child, input: AsyncIterable<Bytes> | undefined): Promise<void> {
  const { stdin } = child;
  if (stdin === null || input === undefined) return;
  try {
    for await (const bytes of input) await stdin.write(bytes);
    await stdin.end();
  } catch (error) {
    // Without its input the tool must not end as if it had seen everything.
    child.kill('SIGTERM');
    throw error;
  }
}

async function forward(child: Child, onOutput: (bytes: Bytes) => Promise<void> | void): Promise<void> {
  try {
    for await (const bytes of child.stdout) await onOutput(bytes);
  } catch (error) {
    child.kill('SIGTERM');
    throw error;
  }
}

async function keepEnd(stream: AsyncIterable<Bytes>): Promise<string> {
  let end: Bytes = new Uint8Array(0);
  for await (const bytes of stream) end = concat([end, bytes]).slice(-TOOL_ERROR_BYTES_MAX);
  return fromUtf8Lossy(end).trim();
}

function isSuccess(status: ExitStatus): boolean {
  return 'code' in status && status.code === 0;
}

function toolFailed(command: string, status: ExitStatus, errors: string): KelpieError {
  const how = 'code' in status ? `with status ${status.code}` : `by ${status.signal}`;
  const said = errors.split('\n').slice(-TOOL_ERROR_LINES).join(' ').replace(/\.*$/, '');
  return new KelpieError(
    'image_build_failed',
    `The program ${command} ended ${how}${said === '' ? '' : `: ${said}`}.`,
  );
}
