import { EXIT_ERROR } from '../../src/sim/firecracker/command-line.ts';

/** How Firecracker's process ends when it was told to begin in a way that cannot be. */
export const EXIT_BAD_CONFIGURATION = 152;

/** The process cannot begin; its message is for people. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_ERROR) {
    super(message);
    this.exitCode = exitCode;
  }
}
