/** A terminal for tests: what is written is kept, what is typed is given. */
import { fromUtf8Lossy } from '../../src/base/bytes.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Terminal } from '../../src/env/terminal.ts';

export interface MemoryTerminal {
  readonly terminal: Terminal;
  readonly output: () => string;
  readonly errors: () => string;
  readonly interrupt: () => void;
}

export function memoryTerminal(
  options: { readonly isTty?: boolean; readonly input?: readonly Bytes[] } = {},
): MemoryTerminal {
  const isTty = options.isTty ?? false;
  let output = '';
  let errors = '';
  const interruptListeners = new Set<(signal: 'SIGINT') => void>();
  const text = (bytes: Bytes | string): string => (typeof bytes === 'string' ? bytes : fromUtf8Lossy(bytes));
  return {
    terminal: {
      isInputTty: isTty,
      isOutputTty: isTty,
      isErrorTty: isTty,
      size: () => (isTty ? { rows: 24, columns: 80 } : null),
      writeOutput: async (bytes) => {
        output += text(bytes);
        return Promise.resolve();
      },
      writeError: async (bytes) => {
        errors += text(bytes);
        return Promise.resolve();
      },
      readInput: async function* readInput() {
        yield* options.input ?? [];
      },
      setRawInput: () => undefined,
      onResize: () => () => undefined,
      onInterrupt: (listener) => {
        interruptListeners.add(listener);
        return () => interruptListeners.delete(listener);
      },
    },
    output: () => output,
    errors: () => errors,
    interrupt: () => {
      for (const listener of interruptListeners) listener('SIGINT');
    },
  };
}
