/** What is wrong with a request, as a person would say it. */
import type { z } from 'zod';

/** What is told of one request; a client that sends a thousand wrong fields learns of the first ones. */
const FAULTS_TOLD_MAX = 5;

/** Schemas say how a field must be (`must have a digit`), or, of the request as a whole, a sentence; this says the rest. */
export const howItMustBe: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? 'is missing'
        : `must be ${kinds.get(issue.expected) ?? issue.expected}`;
    case 'too_small':
      return `must ${amount('at least', issue.minimum, issue.origin)}`;
    case 'too_big':
      return `must ${amount('at most', issue.maximum, issue.origin)}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'unrecognized_keys':
      return `has no field ${issue.keys.map((key) => `"${key}"`).join(', ')}`;
    default:
      return undefined;
  }
};

const kinds: ReadonlyMap<string, string> = new Map([
  ['array', 'a list'],
  ['boolean', 'true or false'],
  ['int', 'a whole number'],
  ['number', 'a number'],
  ['object', 'an object'],
  ['record', 'an object'],
  ['string', 'text'],
]);

function amount(bound: string, value: number | bigint, origin: string): string {
  if (origin === 'string') return `have ${bound} ${value} characters`;
  return origin === 'array' ? `have ${bound} ${value} entries` : `be ${bound} ${value}`;
}

/** Each fault: which field, and how it must be. */
export function faultsOf(error: z.ZodError): readonly string[] {
  return error.issues.slice(0, FAULTS_TOLD_MAX).map(({ code, path, message }) => {
    if (path.length > 0) return `${path.join('.')} ${message}`;
    return code === 'custom' ? message : `the request ${message}`;
  });
}
