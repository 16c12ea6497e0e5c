import { KelpieError } from '../../base/errors.ts';

/** What can be asked for by its name. */
export type BackendChoice = 'qemu' | 'firecracker';

/**
 * Null for `auto`: the first that this host can use.
 * @param source where the text is from, for the sentence: `--backend`.
 * @throws KelpieError `usage`.
 */
export function parseBackend(text: string, source: string): BackendChoice | null {
  if (text === 'auto') return null;
  if (text === 'qemu' || text === 'firecracker') return text;
  throw new KelpieError('usage', `${source} must be auto, qemu or firecracker, not "${text}".`);
}
