import { isMembers } from '../../src/sim/firecracker/api/check-body.ts';
import { Fault } from '../../src/sim/firecracker/fault.ts';
import type { Members } from '../../src/sim/firecracker/fields.ts';

/** The metadata store, without the network service that shows it to the guest. */
export class Mmds {
  readonly #bytesMax: number;
  #content: Members = {};
  #isInitialized = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get content(): Members {
    return this.#content;
  }

  put(content: Members): void {
    this.#set(content);
    this.#isInitialized = true;
  }

  /** A merge patch: null takes a member away. */
  patch(change: Members): void {
    if (!this.#isInitialized) throw new Fault('MMDS error: The MMDS data store is not initialized.');
    this.#set(merge(this.#content, change));
  }

  #set(content: Members): void {
    if (JSON.stringify(content).length > this.#bytesMax) {
      const reason = 'The MMDS patch request doesn’t fit.';
      throw new Fault(`MMDS limit exceeded error: ${reason}`, { status: 413 });
    }
    this.#content = content;
  }
}

function merge(base: Members, change: Members): Members {
  const result: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(change)) {
    const before = result[name];
    if (value === null) delete result[name];
    else result[name] = isMembers(value) && isMembers(before) ? merge(before, value) : value;
  }
  return result;
}
