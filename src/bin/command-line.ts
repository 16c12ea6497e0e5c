/** The command line in the real world. `scripts/one-file.ts` makes one file of all that it reaches. */
import { main } from '../cli/main.ts';
import { createCommandEnv } from '../env/node/command-env.ts';
import { createNodeTerminal } from '../env/node/terminal.ts';

/** Resolves with the exit status. What was started and lives on would keep the process waiting, so it must be ended then. */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  return main(createCommandEnv(), createNodeTerminal(), args);
}
