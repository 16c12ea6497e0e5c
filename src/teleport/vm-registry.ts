/** The VMs of this host by id and name, read from their records once. A damaged record hides its own VM and no other. */
import { KelpieError, asError } from '../base/errors.ts';
import { isUuid } from '../base/uuid.ts';
import { MIB } from '../base/units.ts';
import { isSystemError } from '../env/system-error.ts';
import { localFailure } from '../snapshot/local-failure.ts';
import { readJson } from './durable-json.ts';
import { ManagedVm } from './managed-vm.ts';
import { vmRecord } from './vm-record.ts';
import type { TeleportHost } from './teleport-host.ts';
import type { VmRecord } from './vm-record.ts';

const RECORD_BYTES_MAX: number = 4 * MIB;

/** A VM whose record cannot be read: its files are kept, and somebody must look. */
export interface DamagedVm {
  /** The disk did not give it: another time it may. */
  readonly isUnread: boolean;
  readonly id: string;
  readonly path: string;
  readonly reason: string;
}

export class VmRegistry {
  readonly #host: TeleportHost;
  readonly #vms = new Map<string, ManagedVm>();
  readonly #damaged = new Map<string, DamagedVm>();

  constructor(host: TeleportHost) {
    this.#host = host;
  }

  /** Reads every record. */
  async load(): Promise<void> {
    const { files } = this.#host.env;
    for (const id of await files.list(this.#host.places.vmsDirectory)) {
      if (!isUuid(id)) continue;
      try {
        const record = await this.#read(id);
        // A crash between making the directory and writing the record: there was no VM yet.
        if (record === undefined) await files.removeTree(this.#host.places.vmDirectory(id));
        else this.#vms.set(id, new ManagedVm(this.#host, record));
      } catch (error) {
        const path = this.#host.places.vmRecord(id);
        const { message: reason } = asError(localFailure(error, 'read the record of a VM'));
        this.#damaged.set(id, { id, path, reason, isUnread: isSystemError(error) });
        this.#host.log.error({ event: 'vm-record-damaged', vmId: id, err: asError(error) });
      }
    }
  }

  /** Tries once more to read a record that could not be read; nothing is done for any other. @throws why it still cannot. */
  async readAgain(id: string): Promise<void> {
    if (!this.#damaged.has(id)) return;
    const record = await this.#read(id);
    // It may have been removed meanwhile.
    if (this.#damaged.delete(id) && record !== undefined)
      this.#vms.set(id, new ManagedVm(this.#host, record));
  }

  async #read(id: string): Promise<VmRecord | undefined> {
    const path = this.#host.places.vmRecord(id);
    let value: unknown;
    try {
      value = await readJson(this.#host.env.files, path, RECORD_BYTES_MAX);
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof TypeError) throw damagedRecord(id, path, error);
      throw error;
    }
    if (value === undefined) return undefined;
    const parsed = vmRecord.safeParse(value);
    if (parsed.success && parsed.data.id === id) return parsed.data;
    throw damagedRecord(id, path, parsed.error);
  }

  get all(): readonly ManagedVm[] {
    return [...this.#vms.values()];
  }
  get damaged(): readonly DamagedVm[] {
    return [...this.#damaged.values()];
  }

  byId(id: string): ManagedVm | undefined {
    return this.#vms.get(id);
  }

  byName(name: string): ManagedVm | undefined {
    return this.all.find((vm) => vm.name === name);
  }

  /** @param reference name or id. @throws KelpieError `vm_not_found`, or `io_failed` when its record is damaged. */
  require(reference: string): ManagedVm {
    const found = this.#vms.get(reference) ?? this.byName(reference);
    if (found !== undefined) return found;
    const damaged = this.#damaged.get(reference);
    if (damaged !== undefined) throw new KelpieError('io_failed', damaged.reason);
    throw new KelpieError(
      'vm_not_found',
      `there is no VM "${reference}" on this host; \`kelpie ps\` lists those there are.`,
    );
  }

  /** @throws KelpieError `name_taken`. */
  requireFreeName(name: string, exceptId?: string): void {
    const taken = this.byName(name);
    if (taken === undefined || taken.id === exceptId) return;
    throw new KelpieError(
      'name_taken',
      `there is a VM "${name}" on this host already: choose another name, or remove it.`,
    );
  }

  /** A new VM; durable when this resolves. */
  async add(record: VmRecord): Promise<ManagedVm> {
    const vm = new ManagedVm(this.#host, record);
    const { files } = this.#host.env;
    await files.makeDirectory(this.#host.places.snapshotsDirectory(vm.id));
    await files.syncDirectory(this.#host.places.vmsDirectory);
    // Known before it is durable, so that its name is taken meanwhile.
    this.#vms.set(vm.id, vm);
    try {
      await vm.save();
    } catch (error) {
      this.#vms.delete(vm.id);
      // The record may be there all the same: the next start would find a VM that nobody knows of.
      await files.removeTree(this.#host.places.vmDirectory(vm.id));
      throw error;
    }
    return vm;
  }

  /** Removes every file of the VM but its blobs, which the sweep finds. Nothing of it may run. To be called again when it failed. */
  async remove(id: string): Promise<void> {
    const { files } = this.#host.env;
    // A write of the record that is still on its way would bring the directory back.
    await this.#vms.get(id)?.idle();
    await files.removeTree(this.#host.places.runDirectory(id));
    await files.removeTree(this.#host.places.vmDirectory(id));
    // Without its directory it cannot be written down any more: whoever tries again must not find it.
    this.#vms.delete(id);
    this.#damaged.delete(id);
    await files.syncDirectory(this.#host.places.vmsDirectory);
  }
}

function damagedRecord(id: string, path: string, cause: unknown): KelpieError {
  const message = `${path} is damaged: put back a copy of it, or remove the VM with \`kelpie rm --force ${id}\`.`;
  return new KelpieError('io_failed', message, { cause });
}
