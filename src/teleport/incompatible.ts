import { KelpieError } from '../base/errors.ts';
import type { Reason } from '../snapshot/compatibility/rules.ts';

/** Each with what would work instead. */
export function toldReasons(reasons: readonly Reason[]): readonly string[] {
  return reasons.map(({ text, instead }) => `${text} ${instead}`);
}

/** The one error for all reasons together. */
export function incompatible(vmName: string, reasons: readonly Reason[]): KelpieError {
  const told = toldReasons(reasons);
  // With its image the VM could run here: that is something to get, not a difference of hosts.
  const code = reasons.every((reason) => reason.code === 'image')
    ? 'image_not_found'
    : 'restore_incompatible';
  return new KelpieError(code, `cannot restore "${vmName}" here: ${told.join(' Also, ')}`, {
    data: { reasons: told, codes: reasons.map((reason) => reason.code) },
  });
}
