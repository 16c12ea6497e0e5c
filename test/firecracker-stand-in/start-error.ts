/** How Firecracker's process ends when it could not begin. */
export const EXIT_ERROR = 1;
export const EXIT_BAD_CONFIGURATION = 152;
export const EXIT_ARGUMENTS = 153;

/** The process cannot begin; its message is for people. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_ERROR) {
    super(message);
    this.exitCode = exitCode;
  }
}
