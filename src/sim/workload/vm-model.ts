import type { ActName } from '../plan.ts';
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
  /** It was in the store. */
  isPublished: boolean;
  /** Commands that were begun and may end it. */
  endingsBegun: number;
  /** Of those, how many nobody knows the end of: one whose answer was lost may still be carried out. */
  endingsOpen: number;
  /** It was seen to live after all of them. */
  isUp: boolean;
}

/** What ends a VM on its host, if it succeeds; or, refused, where it leaves off. */
const endings: ReadonlySet<ActName> = new Set([
  'teleport',
  'suspend',
  'stop',
  'start',
  'restoreLocal',
  'remove',
  'reclaim',
]);
/** What succeeds only with a VM that lives, and while nothing else is done with it, nor waits to be. */
const signsOfLife: ReadonlySet<ActName> = new Set([
  'up',
  'restoreCheckpoint',
  'snapshot',
  'checkpoint',
  'resume',
  'restoreFromStore',
  'restoreLocal',
  'start',
]);

/** How a command came out; `unknown`: nobody heard. */
type ActOutcome = 'done' | 'refused' | 'unknown';

/** Follows what a command may do to the life of its VM. @returns what is to be called with its outcome. */
export function followLife(vm: VmModel, name: ActName): (outcome: ActOutcome) => void {
  const isEnding = endings.has(name);
  if (isEnding) {
    vm.endingsBegun += 1;
    vm.endingsOpen += 1;
    vm.isUp = false;
  }
  const begun = vm.endingsBegun;
  return (outcome) => {
    // What came of a reclaim its host finds out later.
    if (isEnding && outcome !== 'unknown' && name !== 'reclaim') vm.endingsOpen -= 1;
    const isLast = vm.endingsOpen === 0 && vm.endingsBegun === begun;
    if (outcome === 'done' && isLast && signsOfLife.has(name)) vm.isUp = true;
  };
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
    isPublished: false,
    endingsBegun: 0,
    endingsOpen: 0,
    isUp: false,
  };
}

/** It was made at the site, and that was acknowledged. */
export function noteMade({ truth }: World, { name }: Site, vm: VmModel, vmKey: string): void {
  vm.vmKey = vmKey;
  truth.madeKeys.add(vmKey);
  vm.isCreated = true;
  vm.place = name;
}
