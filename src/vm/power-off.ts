import { isKelpieError } from '../base/errors.ts';
import type { Clock } from '../env/clock.ts';
import type { AgentLink } from './agent-link.ts';
import { isSettledWithin } from './bounded.ts';
import { STOP_ASK_TIMEOUT_MS, STOP_GUEST_TIMEOUT_MS } from './limits.ts';

/**
 * Asks a guest to turn itself off, and gives it the time to.
 * @param isOff resolves when it is off, or its VMM has ended.
 * @returns false when it will not in time, or cannot be asked.
 */
export async function askPowerOff(clock: Clock, link: AgentLink, isOff: Promise<unknown>): Promise<boolean> {
  try {
    const asked = link.connect({ timeoutMs: STOP_ASK_TIMEOUT_MS }).then((agent) => agent.powerOff());
    // The guest's answer may be lost when it is quick.
    const isAsked = await isSettledWithin(clock, Promise.race([asked, isOff]), STOP_ASK_TIMEOUT_MS);
    asked.catch(() => undefined);
    return isAsked && (await isSettledWithin(clock, isOff, STOP_GUEST_TIMEOUT_MS));
  } catch (error) {
    if (!isKelpieError(error, 'guest_unreachable', 'guest_protocol_error', 'guest_failed')) throw error;
    return false;
  }
}
