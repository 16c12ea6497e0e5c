/**
 * How a VM's memory is looked at from outside, best way first:
 *
 *   written pages   kernel's page map of the process  │ all pages, where it is refused or there is no /proc
 *   their bytes     memory of the process             │ QEMU writes them to a file, where it is refused
 *
 * It is opened before the pause, so that the pause only reads.
 */
import { fromUtf8Lossy } from '../../base/bytes.ts';
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import { isSystemError } from '../../env/system-error.ts';
import { PageRuns } from '../../snapshot/page-runs.ts';
import type { LiveVm, VmContext } from './context.ts';
import { DirtyPageScanner } from './dirty-pages.ts';
import { PhysicalRam, ProcessRam } from './guest-ram.ts';
import type { GuestRam } from './guest-ram.ts';
import { PROCESS_MAPS_BYTES_MAX } from './limits.ts';
import { findPrivateMapping } from './process-maps.ts';
import { ramLayout } from './ram-layout.ts';
import { runFiles } from './run-files.ts';

export interface MemoryView {
  readonly ram: GuestRam;
  /** Pages that were written since the process mapped its memory file; more than these where nobody tells. */
  dirtyPages(): Promise<PageRuns>;
  close(): Promise<void>;
}

/** @throws KelpieError `vm_backend_failed` when the memory is not mapped as it should be. */
export async function openMemoryView(context: VmContext, vm: LiveVm): Promise<MemoryView> {
  const { env, config, places } = context;
  const memoryBytes = config.memoryMib * MIB;
  const pageCount = memoryBytes / PAGE_BYTES;
  const { pid } = vm.process.identity;
  const layout = ramLayout(config.architecture, memoryBytes);
  const physical = (): GuestRam =>
    new PhysicalRam(env, vm.process.qmp, layout, runFiles(places.runDirectory).scratch);

  const address = await orNullWhenRefused(() => findMemory(context, vm));
  if (address === null) return viewOf(physical(), null, pageCount);
  const scanner = await orNullWhenRefused(() => DirtyPageScanner.open(env, pid, address, pageCount));
  try {
    const ram = await orNullWhenRefused(() => ProcessRam.open(env, pid, address));
    return viewOf(ram ?? physical(), scanner, pageCount);
  } catch (error) {
    await scanner?.close();
    throw error;
  }
}

/** The process really maps the guest's memory privately, as far as this host tells. @throws KelpieError `vm_backend_failed`. */
export async function assertMapped(context: VmContext, vm: LiveVm): Promise<void> {
  await orNullWhenRefused(() => findMemory(context, vm));
}

/** Where the process maps the guest's memory. */
async function findMemory({ env, config }: VmContext, vm: LiveVm): Promise<number> {
  const fileName = vm.memoryPath.slice(vm.memoryPath.lastIndexOf('/') + 1);
  const maps = await env.files.readFile(`/proc/${vm.process.identity.pid}/maps`, PROCESS_MAPS_BYTES_MAX);
  return findPrivateMapping(fromUtf8Lossy(maps), fileName, config.memoryMib * MIB);
}

function viewOf(ram: GuestRam, scanner: DirtyPageScanner | null, pageCount: number): MemoryView {
  return {
    ram,
    dirtyPages: async () =>
      scanner === null ? PageRuns.of([{ firstPage: 0, count: pageCount }]) : scanner.scan(),
    close: async () => {
      await scanner?.close();
      await ram.close();
    },
  };
}

/** Another process's insides may be refused (`EACCES`, `EPERM`), or there is no /proc (`ENOENT`, macOS). */
async function orNullWhenRefused<T>(open: () => Promise<T>): Promise<T | null> {
  try {
    return await open();
  } catch (error) {
    if (isSystemError(error, 'EACCES', 'EPERM', 'ENOENT')) return null;
    throw error;
  }
}
