import { fstatSync, writeSync } from 'node:fs';
import type { Terminal } from '../terminal.ts';
import { SystemError } from '../system-error.ts';
import { childProcess } from './late-modules.ts';
import type { Bytes } from '../../base/bytes.ts';

const interrupts = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The terminal of this process. */
export function createNodeTerminal(): Terminal {
  const { stdin, stdout, stderr } = process;
  return {
    isInputTty: stdin.isTTY,
    isOutputTty: stdout.isTTY,
    isErrorTty: stderr.isTTY,
    size: () => (stdout.isTTY ? { rows: stdout.rows, columns: stdout.columns } : null),
    writeOutput: writerOf(stdout),
    writeError: writerOf(stderr),
    readInput: (signal) => readUntil(stdin, signal),
    setRawInput: (isRaw) => {
      if (!stdin.isTTY) return;
      stdin.setRawMode(isRaw);
      // Node's raw mode goes on turning \n into \r\n; a full-screen program writes \n to move straight down. Leaving raw mode puts it back.
      if (isRaw) childProcess().spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
    },
    onResize: (listener) => {
      stdout.on('resize', listener);
      return () => stdout.off('resize', listener);
    },
    onInterrupt: (listener) => {
      for (const signal of interrupts) process.on(signal, listener);
      return () => {
        for (const signal of interrupts) process.off(signal, listener);
      };
    },
  };
}

async function* readUntil(stdin: NodeJS.ReadStream, signal: AbortSignal): AsyncGenerator<Bytes, void> {
  // A terminal that is only paused would still take what is typed next, and keep this program alive for it.
  const stop = (): void => {
    stdin.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (!signal.aborted) for await (const chunk of stdin) yield chunk;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function writerOf(
  stream: NodeJS.WriteStream & { readonly fd: number },
): (bytes: Bytes | string) => Promise<void> {
  // A stream whose reader has gone emits `error` beside the callback; unheard, it would end the program.
  let isWatched = false;
  return async (bytes) => {
    if (bytes.length === 0) return;
    if (isPlainFile(stream.fd)) {
      writeAll(stream.fd, bytes);
      return;
    }
    if (!isWatched) {
      isWatched = true;
      stream.on('error', () => undefined);
    }
    await new Promise<void>((resolve, reject) => {
      stream.write(bytes, (error) => {
        if (error === null || error === undefined) resolve();
        else {
          reject(
            new SystemError(
              'code' in error ? String(error.code) : 'EIO',
              'write',
              `descriptor ${stream.fd}`,
              error,
            ),
          );
        }
      });
    });
  };
}

function isPlainFile(descriptor: number): boolean {
  return fstatSync(descriptor).isFile();
}

function writeAll(descriptor: number, bytes: Bytes | string): void {
  const whole = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
  let written = 0;
  while (written < whole.byteLength) written += writeSync(descriptor, whole, written);
}
