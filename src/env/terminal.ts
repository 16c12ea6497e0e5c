import type { Bytes } from '../base/bytes.ts';

/** The person's side of a command-line program. Not part of `Env`: only the CLI has one. */
export interface Terminal {
  readonly isInputTty: boolean;
  readonly isOutputTty: boolean;
  readonly isErrorTty: boolean;
  /** Of the output, in characters; null when it is no terminal. */
  size(): { readonly rows: number; readonly columns: number } | null;
  /** Resolves when the bytes were taken. @throws SystemError `EPIPE` when nobody reads any more. */
  writeOutput(bytes: Bytes | string): Promise<void>;
  writeError(bytes: Bytes | string): Promise<void>;
  /**
   * Input as it comes, nothing read ahead of the consumer but one chunk; ends with the input, or when `signal` is aborted: what is
   * typed afterwards is for the next program. To be read once.
   */
  readInput(signal: AbortSignal): AsyncIterable<Bytes>;
  /** Raw: keys come one by one and unechoed. Put back when the program ends, however it ends but by SIGKILL. */
  setRawInput(isRaw: boolean): void;
  /** Returns how to stop listening. */
  onResize(listener: () => void): () => void;
  /** SIGINT, SIGTERM and SIGHUP no longer end the program while a listener is there. Returns how to stop listening. */
  onInterrupt(listener: (signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => void): () => void;
}
