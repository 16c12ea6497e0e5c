import { KelpieError } from './errors.ts';

/** How many of the things that a beginning fits a sentence lists. */
const LISTED_MAX = 5;
/** Of each at least so many characters: as many as lists of them show. */
const LISTED_CHARACTERS_MIN = 12;

/**
 * What a person means by the beginning of an id; null when nothing has it.
 * @param things what may be meant, for the sentence: `packages`.
 * @throws KelpieError `invalid_argument`, which lists the candidates, when several have it and none is it.
 */
export function uniqueBeginning<T>(
  candidates: readonly T[],
  idOf: (candidate: T) => string,
  beginning: string,
  things: string,
): T | null {
  const fitting = candidates.filter((candidate) => idOf(candidate).startsWith(beginning));
  const exact = fitting.find((candidate) => idOf(candidate) === beginning);
  const [only = null, another] = fitting;
  if (exact !== undefined || another === undefined) return exact ?? only;
  const ids = fitting.map(idOf);
  const shown = shortened(ids)
    .slice(0, LISTED_MAX)
    .map((id) => `${id}…`);
  const rest = ids.length - shown.length;
  const more = rest === 0 ? '' : ` and ${rest} more`;
  throw new KelpieError(
    'invalid_argument',
    `several ${things} begin with ${beginning}: ${shown.join(', ')}${more}; write more of the one that is meant.`,
    { data: { candidates: ids.slice(0, LISTED_MAX) } },
  );
}

/** As many characters of each as tell them apart. */
function shortened(ids: readonly string[]): readonly string[] {
  const longest = Math.max(...ids.map((id) => id.length));
  for (let length = LISTED_CHARACTERS_MIN; length < longest; length += 1) {
    const short = ids.map((id) => id.slice(0, length));
    if (new Set(short).size === ids.length) return short;
  }
  return ids;
}
