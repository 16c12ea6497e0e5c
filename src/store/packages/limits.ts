/** Bounds of packages; what is larger is refused before anything is allocated for it. */
import { HOUR_MS, KIB, MIB, PAGE_BYTES, SECOND_MS } from '../../base/units.ts';
import { FRAME_BYTES_MAX, PACKED_FRAME_BYTES_MAX } from '../../env/compute.ts';

/** Pages that are compressed, sealed and checked together: measured best for what changes between two snapshots (`bench/store`). */
export const FRAME_PAGES: number = FRAME_BYTES_MAX / PAGE_BYTES;
/**
 * Frames of one pack. The number of raw bytes, not of stored ones, ends a pack, so that a frame's place is known, and sealed with it,
 * before it is compressed. Measured on a memory of 512 MiB, 310 of them not zero: packs of 4, 16 and 64 frames take the same processor time,
 * also when each put takes 60 ms; they take 75, 19 and 5 requests, and hold 4, 16 and 64 MiB at worst.
 */
export const PACK_FRAMES_MAX = 16;
/** Longest pack: all frames stored as they are, sealed, and its header. */
export const PACK_BYTES_MAX: number = PACK_FRAMES_MAX * PACKED_FRAME_BYTES_MAX + KIB;
/** Packs that one package refers to. */
export const PACKS_MAX = 65_536;
/** Frames of one map. */
export const FRAMES_MAX: number = PACKS_MAX * PACK_FRAMES_MAX;
/** Runs of one map. */
export const STORE_MAP_RUNS_MAX: number = 2 ** 24;
/** Longest encoded map, before it is compressed. */
export const STORE_MAP_BYTES_MAX: number = 512 * MIB;
/** Frames of a byte stream that the manifest lists itself; the frames of a longer one are in a table of its own. */
export const STREAM_FRAMES_INLINE_MAX = 64;
/** Longest table of the frames of a stream: an image file of 64 GiB. */
export const FRAME_TABLE_BYTES_MAX: number = 8 * MIB;
/** Longest manifest: one that refers to `PACKS_MAX` packs, and what it says of the snapshot. */
export const MANIFEST_BYTES_MAX: number = 8 * MIB;
/** Longest `pins/SESSION`, which names at most as many packs. */
export const PIN_BYTES_MAX: number = 4 * MIB;
/** Longest `store.json`: recipients are a few hundred bytes each. */
export const STORE_ROOT_BYTES_MAX: number = 256 * KIB;
/** A pack of which a package would use less than this part is not referred to: its pages are sent again (the packs of a map stay dense). */
export const PACK_USE_MIN = 0.25;
/** Bytes of one range request for frames that lie side by side, and the gap that is read along rather than asked twice. */
export const RANGE_BYTES_MAX: number = 8 * MIB;
export const RANGE_GAP_BYTES_MAX: number = 64 * KIB;
/**
 * Stored bytes that are held at once while a package moves, in one direction: seven packs of an ordinary memory, two that cannot be compressed.
 * With it the daemon of a 4 GiB VM, 60 MB of its memory random bytes, peaks at 183 and 195 MB resident while it publishes it, the runtime's 95
 * included; with half as much again at 210.
 */
export const TRANSFER_BYTES_MAX: number = 32 * MIB;
/** A publish that takes longer gives up before its manifest: what it sent is found by the next one. */
export const PUBLISH_MS_MAX: number = 24 * HOUR_MS;
/** A pin, by the store's clock, after which its publisher is gone for good: longer than `PUBLISH_MS_MAX` by what a last request may take. */
export const PIN_MS_MAX: number = 26 * HOUR_MS;
/** Publishes under way at once, or cut; and sweeps. More are a store that somebody fills on purpose. */
export const PINS_MAX = 1000;
/** How long a pack stays that nothing refers to: an interrupted publish that is tried again finds it. */
export const GRACE_MS_DEFAULT: number = 24 * HOUR_MS;
/**
 * How many frames of one session are packed again to no avail before the others are not tried: its publisher packs otherwise than this host. Once one was proven, it
 * does not, and what is not proven is damaged here.
 */
export const SESSION_DOUBTS_MAX = 4;
/** How much of a download is lost at most when it is cut. */
export const FETCH_CHECKPOINT_MS: number = 5 * SECOND_MS;
/** A sweep that takes longer ends before its next removal; what it had condemned is left to the next sweep, after `SWEEP_STALE_MS`. */
export const SWEEP_MS_MAX: number = HOUR_MS;
/** Age, by the store's clock, of a condemnation whose sweep is gone for good. */
export const SWEEP_STALE_MS: number = 2 * HOUR_MS;
/** Packages of one store that a sweep looks at. */
export const PACKAGES_MAX = 100_000;
/** Small requests that one act has under way at once; the store has its own bound below. */
export const REQUESTS_AT_ONCE = 8;
/** Older packs that a package refers to beyond what its size alone asks for; each costs a restore one request more. */
export const PACKS_SPARE_MAX = 64;
/**
 * How much of a publish is lost at most when its daemon is killed; what fails, or ends, is written down to the last pack. Where a save itself takes
 * long (it takes 5 to 20 ms for 300 MB of pages), the next is this many times as far away.
 */
export const PLACES_SAVE_MS: number = SECOND_MS;
export const PLACES_SAVE_REST = 20;
/** How long the removal of a pin may take; one that stays expires. */
export const PIN_REMOVE_MS_MAX: number = 10 * SECOND_MS;
/** Sentences about one damaged package; the first say enough. */
export const VERIFY_PROBLEMS_MAX = 16;
