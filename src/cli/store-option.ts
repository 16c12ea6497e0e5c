import { KelpieError } from '../base/errors.ts';
import { textOption } from './command.ts';
import { absolutePath } from './views.ts';
import type { Cli } from './cli.ts';
import type { Options } from './command.ts';

/** How a store is written, for the help of its options. */
export const STORE_HELP = 'a directory, or s3://bucket/prefix';

/** The store that an option names, as the daemon needs it. @throws KelpieError `usage` when it is missing. */
export function storeOption(cli: Cli, options: Options, name = 'store'): string {
  const store = textOption(options, name);
  if (store === null) throw new KelpieError('usage', `say which store with --${name}: ${STORE_HELP}.`);
  return absolutePath(cli.env, store);
}
