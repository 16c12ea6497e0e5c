/** The agent of a VM that has just begun to run: reached, and after a restore repaired. */
import { fromUtf8Lossy } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { throwIfCanceled } from '../base/cancel.ts';
import { isKelpieError, KelpieError } from '../base/errors.ts';
import type { Env } from '../env/env.ts';
import type { GuestAgent, IdentityRepair } from '../guest/guest-agent.ts';
import type { AgentLink } from './agent-link.ts';
import type { GuestIdentity } from './instance.ts';
import { REPAIR_TIMEOUT_MS } from './limits.ts';

/** How much of the console an error quotes. */
const CONSOLE_TAIL_CHARACTERS = 600;
/** Bytes of randomness that a restored guest is given: it must not go on with the ones that it shares with its past. */
const SEED_BYTES = 64;

export interface FirstContact {
  readonly link: AgentLink;
  /** Resolves when the VMM has ended. */
  readonly ended: Promise<unknown>;
  /** Calls back when the guest turns itself off; returns how to stop listening. */
  readonly onGuestEnd: (listener: () => void) => () => void;
  /** What the console shows; the process may be gone. */
  readonly console: () => Promise<Bytes>;
  readonly signal: AbortSignal | undefined;
}

/**
 * Given up as soon as the VMM ends or the guest turns itself off.
 * @param onTimeout makes the error from a sentence about the console.
 * @throws KelpieError `vm_start_failed`, `canceled`, or what `onTimeout` makes.
 */
export async function connectFirst(
  contact: FirstContact & { readonly timeoutMs: number },
  onTimeout: (consoleTail: string, cause: unknown) => KelpieError,
): Promise<GuestAgent> {
  const { link, signal } = contact;
  const gone = new AbortController();
  const stopListening = contact.onGuestEnd(() => gone.abort());
  void contact.ended.then(() => gone.abort());
  const until = signal === undefined ? gone.signal : AbortSignal.any([gone.signal, signal]);
  try {
    return await link.connect({ timeoutMs: contact.timeoutMs, signal: until });
  } catch (error) {
    throwIfCanceled(signal, 'starting the VM');
    if (gone.signal.aborted) {
      const tail = consoleTail(await contact.console());
      const message = `the guest ended while it started. ${tail}`;
      throw new KelpieError('vm_start_failed', message, { cause: error });
    }
    if (!isKelpieError(error, 'guest_unreachable')) throw error;
    throw onTimeout(consoleTail(await contact.console()), error);
  } finally {
    stopListening();
  }
}

export function bootTimeout(tail: string, cause: unknown): KelpieError {
  const message = `the guest agent did not answer in time. ${tail}`;
  return new KelpieError('vm_boot_timeout', message, { cause });
}

export interface RepairedGuest {
  readonly guest: GuestIdentity;
  /** By how much its clock was set. */
  readonly clockStepMs: number;
}

/**
 * Makes the truth of a restored guest right: clock, randomness, generation, and the names of one that is a copy.
 * @param repair `rehearse`: for a VMM that has translated nothing yet: the first command would take four times as long as the second.
 * @throws KelpieError `guest_repair_failed`, `vm_start_failed`, `canceled`.
 */
export async function repairRestored(
  env: Env,
  contact: FirstContact,
  repair: Omit<IdentityRepair, 'unixNs' | 'seed'>,
): Promise<RepairedGuest> {
  const agent = await connectFirst({ ...contact, timeoutMs: REPAIR_TIMEOUT_MS }, repairTimeout);
  const repaired = await agent.repair({
    unixNs: () => env.clock.wallNs(),
    seed: env.random.bytes(SEED_BYTES),
    ...repair,
  });
  return {
    guest: { bootId: agent.bootId, generation: repaired.generation },
    clockStepMs: repaired.clockStepMs,
  };
}

function repairTimeout(tail: string, cause: unknown): KelpieError {
  return new KelpieError(
    'guest_repair_failed',
    `the restored guest did not answer in ${REPAIR_TIMEOUT_MS / 1000} s, so it is not handed out. ${tail}`,
    { cause },
  );
}

/** A sentence. */
function consoleTail(bytes: Bytes): string {
  const text = fromUtf8Lossy(bytes).trim().slice(-CONSOLE_TAIL_CHARACTERS);
  return text === '' ? 'Its console shows nothing.' : `The console ends with: "${text}".`;
}
