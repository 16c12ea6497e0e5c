import { KelpieError } from '../../base/errors.ts';

/** What can be asked for by its name. */
export const backendChoices = ['qemu', 'firecracker'] as const;
export type BackendChoice = (typeof backendChoices)[number];

/**
 * Null for `auto`: the first that this host can use.
 * @param source where the text is from, for the sentence: `--backend`.
 * @throws KelpieError `usage`.
 */
export function parseBackend(text: string, source: string): BackendChoice | null {
  if (text === 'auto') return null;
  const choice = backendChoices.find((name) => name === text);
  if (choice !== undefined) return choice;
  throw new KelpieError('usage', `${source} must be auto, qemu or firecracker, not "${text}".`);
}
