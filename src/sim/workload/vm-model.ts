import type { Site, World } from '../world/world.ts';

/** What a person knows of a VM from the answers they got: no more than that may be held against the program. */
export interface VmModel {
  readonly name: string;
  /** The site where it is made. */
  readonly birthplace: string;
  /** The first digits of its id, once known: how the world tells VMs apart. */
  vmKey: string | null;
  /** The site where it was last known to be; null in the store, or nowhere yet. A guess: it steers what is tried. */
  place: string | null;
  /** The VM was made and that was acknowledged. */
  isCreated: boolean;
  /** Somebody asked for it to stand still. */
  isPauseAsked: boolean;
  /** Its removal was asked for: it may be gone, or half gone until that is settled. */
  isRemovalAsked: boolean;
  /** The count that no later state of the VM may be behind: of its last acknowledged snapshot or teleport. */
  floor: number;
  /** The same, of its last acknowledged teleport alone: what a reclaim goes back to. */
  packageFloor: number;
}

export function newVmModel(name: string, birthplace: string): VmModel {
  return {
    name,
    birthplace,
    vmKey: null,
    place: null,
    isCreated: false,
    isPauseAsked: false,
    isRemovalAsked: false,
    floor: 0,
    packageFloor: 0,
  };
}

/** It was made at the site, and that was acknowledged. */
export function noteMade({ truth }: World, { name }: Site, vm: VmModel, vmKey: string): void {
  vm.vmKey = vmKey;
  truth.madeKeys.add(vmKey);
  vm.isCreated = true;
  vm.place = name;
}
