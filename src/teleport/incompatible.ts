import { KelpieError } from '../base/errors.ts';
import type { Reason } from '../snapshot/compatibility/rules.ts';

/** The one error for all reasons together. */
export function incompatible(vmName: string, reasons: readonly Reason[]): KelpieError {
  const told = reasons.map(({ text, instead }) => `${text} ${instead}`);
  // With its image the VM could run here: that is something to get, not a difference of hosts.
  const code = reasons.every((reason) => reason.code === 'image')
    ? 'image_not_found'
    : 'restore_incompatible';
  return new KelpieError(code, `cannot restore "${vmName}" here: ${told.join(' Also, ')}`, {
    data: { reasons: told, codes: reasons.map((reason) => reason.code) },
  });
}
