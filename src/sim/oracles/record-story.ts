/** Tells each change of an ownership record, for traces: who may run the VM from here on. */
import { isJsonObject } from '../../base/json.ts';
import { fromUtf8Lossy } from '../../base/bytes.ts';
import { volumeOf } from '../disk/paths.ts';
import type { World } from '../world/world.ts';
import { bytesOf, directoryIn, newestRecords } from './store-view.ts';
import type { RecordSeen } from './store-view.ts';

export class RecordStory {
  readonly #world: World;
  readonly #told = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  look(): void {
    for (const record of newestRecords(this.#world, 'cached')) {
      if (this.#told.get(record.vmId) === record.text) continue;
      this.#told.set(record.vmId, record.text);
      this.#world.truth.tell('record', this.#textOf(record), 'store');
    }
  }

  #textOf({ vmId, epoch, state, owner, packageId }: RecordSeen): string {
    const vmKey = vmId.replaceAll('-', '').slice(0, 12);
    const who = owner === null ? '' : ` on ${this.#siteOf(owner)}`;
    const where = packageId === null ? '' : ` in ${packageId.slice(0, 8)}`;
    return `${vmKey} epoch ${epoch}: ${state}${who}${where}`;
  }

  /** The name of the site that has a host's id. */
  #siteOf(hostId: string): string {
    for (const { name, home, machine } of this.#world.sites) {
      const directory = directoryIn(volumeOf(machine, home).root, home, 'cached');
      const bytes = bytesOf(directory?.entries.get('host.json'), 'cached');
      if (bytes !== null && idIn(fromUtf8Lossy(bytes)) === hostId) return name;
    }
    return hostId.slice(0, 8);
  }
}

function idIn(text: string): unknown {
  try {
    const host: unknown = JSON.parse(text);
    return isJsonObject(host) ? (host['hostId'] ?? host['id']) : null;
  } catch {
    // Torn by a loss of power.
    return null;
  }
}
