import { settleLocal } from './settle-local.ts';
import type { LocalOperation } from './settle-local.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRegistry } from './vm-registry.ts';

/**
 * An operation that touches only this host: its intent is durable before `act` begins, and a failure of `act` takes the same
 * way back as a crash would. What cannot be settled now is held and tried again by the daemon.
 */
export async function journaled<T>(
  host: TeleportHost,
  registry: VmRegistry,
  operation: LocalOperation,
  act: () => Promise<T>,
): Promise<T> {
  await host.journal.begin(operation);
  try {
    const result = await act();
    await host.journal.remove(operation);
    return result;
  } catch (error) {
    try {
      await settleLocal(host, registry, operation);
    } catch (unsettled) {
      host.hold(operation, unsettled);
    }
    throw error;
  }
}
