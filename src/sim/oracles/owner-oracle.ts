/**
 * A VM that the store gives to a host executes there and nowhere else; also while nobody else runs it yet. Without reclaims by force there is no exception: a host whose
 * right is gone has stopped before.
 */
import { isJsonObject } from '../../base/json.ts';
import { fromUtf8Lossy } from '../../base/bytes.ts';
import { volumeOf } from '../disk/paths.ts';
import type { Site, World } from '../world/world.ts';
import { bytesOf, directoryIn, newestRecords } from './store-view.ts';

export class OwnerOracle {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Called now and then. */
  check(): void {
    const { truth, sites } = this.#world;
    for (const { vmId, owner, text } of newestRecords(this.#world, 'cached')) {
      if (owner === null) continue;
      const vmKey = vmId.replaceAll('-', '').slice(0, 12);
      for (const { hostName } of truth.running(vmKey)) {
        const site = sites.find(({ home }) => home === hostName);
        const hostId = site === undefined ? null : hostIdOf(site);
        if (hostId !== null && hostId !== owner)
          truth.violated('owner', `${vmKey} executes on ${hostName} while the store says ${text}`);
      }
    }
  }
}

/** Null before a site's first start. */
function hostIdOf({ home, machine }: Site): string | null {
  const directory = directoryIn(volumeOf(machine, home).root, home, 'cached');
  const bytes = bytesOf(directory?.entries.get('host.json'), 'cached');
  try {
    const host: unknown = bytes === null ? null : JSON.parse(fromUtf8Lossy(bytes));
    const id = isJsonObject(host) ? host['id'] : null;
    return typeof id === 'string' ? id : null;
  } catch {
    // Torn by a loss of power.
    return null;
  }
}
