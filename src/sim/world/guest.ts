/**
 * A guest: what it remembers is in its memory, its disk and the state of its devices, and nowhere else, so that whatever is lost or
 * mixed up on the way shows. It counts while it runs, writes pages of its memory, and now and then the count to its disk.
 *
 *     page 1   count u64 | generation u32 | boot id 16 bytes | times that it booted or was repaired u32
 *     pages 2… written at random, now and then cleared
 *     page 60  the file of its application (`guest-programs.ts`)
 *     disk     page 7: the count as last written there
 */
import { assert } from '../../base/assert.ts';
import { hex, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { PAGE_BYTES } from '../../base/units.ts';
import type { Prng } from '../prng.ts';
import { notesIn, putNotes } from './notes-page.ts';
import { readDiskPage, writeDiskPage } from './guest-disk.ts';
import type { Layer } from './guest-disk.ts';
import type { GuestRam } from './guest-ram.ts';

const STATE_PAGE = 1;
const FIRST_SCRATCH_PAGE = 2;
const SCRATCH_PAGES = 40;
const DISK_PAGE = 7;
const NOTES_PAGE = 60;
const PAGES_PER_ADVANCE_MAX = 6;
const KEY_DIGITS = 12;

/** The first digits of a VM's id, which its run directory has as its name (`HostPlaces.runDirectory`). */
export function vmKeyOf(vmId: string): string {
  return vmId.replaceAll('-', '').slice(0, KEY_DIGITS);
}

/** What a device state holds of a guest beside its memory. */
export interface DeviceState {
  readonly vmKey: string;
  readonly count: number;
  readonly ramDigest: string;
  /** The count on the disk. */
  readonly diskCount: number;
}

export class Guest {
  /** Which VM it is, of whatever host (`vmKeyOf`). */
  readonly vmKey: string;
  readonly hostName: string;
  readonly ram: GuestRam;
  /** Top first. */
  chain: readonly Layer[];
  /** Restored and not yet told who it is. */
  isRepairNeeded = false;
  /** It goes on with the memory of another VM, and so with that one's names until it is given others. */
  isCopy = false;
  readonly crash: () => void;
  readonly #onState: (text: string) => void;
  readonly #random: Prng;
  #isRunning = false;
  #advancedMs = 0;

  constructor(parts: {
    readonly vmKey: string;
    readonly hostName: string;
    readonly ram: GuestRam;
    readonly chain: readonly Layer[];
    readonly random: Prng;
    /** The kernel panics. */
    readonly onCrash: () => void;
    /** Told when the guest begins or ceases to execute. */
    readonly onState: (text: string) => void;
  }) {
    this.vmKey = parts.vmKey;
    this.hostName = parts.hostName;
    this.ram = parts.ram;
    this.chain = parts.chain;
    this.#random = parts.random;
    this.crash = parts.onCrash;
    this.#onState = parts.onState;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }
  get count(): number {
    return Number(viewOf(this.#state).getBigUint64(0, true));
  }
  get generation(): number {
    return viewOf(this.#state).getUint32(8, true);
  }
  get bootId(): Bytes {
    return this.#state.slice(12, 28);
  }
  get notes(): Bytes {
    return notesIn(this.ram.page(NOTES_PAGE));
  }
  set notes(notes: Bytes) {
    putNotes(this.ram.writable(NOTES_PAGE), notes);
  }
  get bootIdHex(): string {
    return hex(this.bootId);
  }
  get diskCount(): number {
    return Number(viewOf(readDiskPage(this.chain, DISK_PAGE)).getBigUint64(0, true));
  }

  /** The kernel begins. */
  boot(): void {
    const state = this.ram.writable(STATE_PAGE);
    viewOf(state).setBigUint64(0, BigInt(this.diskCount), true);
    state.set(this.#random.bytes(16), 12);
  }

  setGeneration(generation: number): void {
    viewOf(this.ram.writable(STATE_PAGE)).setUint32(8, generation, true);
  }

  run(nowMs: number): void {
    this.#isRunning = true;
    this.#advancedMs = nowMs;
    this.#onState(`runs from ${this.count}`);
  }

  stop(nowMs: number): void {
    if (!this.#isRunning) return;
    this.advance(nowMs);
    this.#isRunning = false;
    this.#onState(`stands at ${this.count}`);
  }

  /** Does what a running guest did until now. @throws SystemError `ENOSPC` never: a full disk stops the guest's writing. */
  advance(nowMs: number): void {
    assert(this.#isRunning, 'only a running guest changes');
    const elapsedMs = Math.floor(nowMs - this.#advancedMs);
    if (elapsedMs <= 0) return;
    this.#advancedMs = nowMs;
    viewOf(this.ram.writable(STATE_PAGE)).setBigUint64(0, BigInt(this.count + elapsedMs), true);
    for (let left = this.#random.below(PAGES_PER_ADVANCE_MAX + 1); left > 0; left -= 1) this.#scribble();
    if (this.#random.chance(0.3)) this.#writeDisk();
  }

  #scribble(): void {
    const page = this.ram.writable(FIRST_SCRATCH_PAGE + this.#random.below(SCRATCH_PAGES));
    if (this.#random.chance(0.2)) page.fill(0);
    else fillNoise(page, this.#random.between(1, 2 ** 31));
  }

  #writeDisk(): void {
    const [top] = this.chain;
    if (top === undefined || top.volume.freeBytes < 2 * PAGE_BYTES) return;
    const page = new Uint8Array(PAGE_BYTES);
    viewOf(page).setBigUint64(0, BigInt(this.count), true);
    writeDiskPage(top, DISK_PAGE, page);
    writeDiskPage(top, this.#random.between(DISK_PAGE + 1, 200), page);
  }

  get #state(): Bytes {
    return this.ram.page(STATE_PAGE);
  }
}

/** Bytes that do not compress, so that pages are what is large in a package, as they are in the real world. */
function fillNoise(page: Bytes, seed: number): void {
  const view = viewOf(page);
  let word = seed;
  for (let offset = 0; offset < page.byteLength; offset += 4) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    view.setUint32(offset, word >>> 0, true);
  }
}
