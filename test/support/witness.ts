/** Sees for itself, in the processes and not through the backend, whether the memory that a VM goes on with is the one that it was stopped with. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { MIB } from '../../src/base/units.ts';
import type { VmConfig } from '../../src/snapshot/metadata.ts';
import type { VmBackend, VmInstance, VmPlaces } from '../../src/vm/instance.ts';
import { memoryOfProcess } from './guest-memory.ts';

const PAGE_BYTES = 4096;
/** Pages that are read at once. */
const PIECE_PAGES = 1024;

/** Shared by the hosts that a VM moves between. */
export class Witness {
  /** Digests of the pages of VMs that were stopped to be moved, by the VM's id. */
  readonly #stopped = new Map<string, readonly string[]>();
  /** Restores in which every page was the same. */
  exact = 0;

  /** The backend, watched. */
  watch(backend: VmBackend): VmBackend {
    return {
      name: backend.name,
      probe: () => backend.probe(),
      removeOrphan: (runDirectory) => backend.removeOrphan(runDirectory),
      create: async (id, config, places) =>
        this.#watchVm(await backend.create(id, config, places), config, places),
      adopt: async (id, config, places, runtime) =>
        this.#watchVm(await backend.adopt(id, config, places, runtime), config, places),
    };
  }

  #watchVm(vm: VmInstance, { memoryMib }: VmConfig, { runDirectory }: VmPlaces): VmInstance {
    const [snapshot, restore] = [vm.snapshot.bind(vm), vm.restore.bind(vm)];
    vm.snapshot = async (request) => {
      const captured = await snapshot(request);
      if (!request.resume) this.#stopped.set(vm.id, pagesOf(runDirectory, memoryMib));
      return captured;
    };
    vm.restore = async (request) =>
      restore({
        ...request,
        beforeResume: async () => {
          this.#compare(vm.id, pagesOf(runDirectory, memoryMib));
          await request.beforeResume?.();
        },
      });
    return vm;
  }

  #compare(vmId: string, loaded: readonly string[]): void {
    const stopped = this.#stopped.get(vmId);
    assert.ok(stopped !== undefined, 'it was stopped here');
    const differing = loaded.flatMap((digest, page) => (digest === stopped[page] ? [] : [page]));
    assert.deepEqual([loaded.length, differing], [stopped.length, []], 'pages that differ');
    this.exact += 1;
  }
}

/** A digest of each page of a VM that stands still. */
function pagesOf(runDirectory: string, memoryMib: number): readonly string[] {
  const memoryBytes = memoryMib * MIB;
  const { path, start } = memoryOfProcess(runDirectory, memoryBytes);
  const file = openSync(path, 'r');
  const piece = Buffer.alloc(PIECE_PAGES * PAGE_BYTES);
  const digests: string[] = [];
  try {
    for (let offset = 0; offset < memoryBytes; offset += piece.byteLength) {
      assert.equal(readSync(file, piece, 0, piece.byteLength, start + offset), piece.byteLength);
      for (let page = 0; page < PIECE_PAGES; page += 1)
        digests.push(hash('sha256', piece.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), 'base64'));
    }
  } finally {
    closeSync(file);
  }
  return digests;
}
