/**
 * The programs of a guest, beside `count`: an application with one file, `/srv/notes`, as far as checkpoints need them. What the file holds is in the guest's
 * memory, so that it is lost and mixed up with it.
 *
 *     save            writes the file anew, and its digest to the output: that is the application's state
 *     tar --create    the file, as GNU tar would write it
 *     tar --extract   the file, from such a stream
 *     reload          reads a state, and looks whether it is that of the file
 *
 * Where a fault strikes, they fail, never end, flood (`endless-commands.ts`), or send what no workspace can be (`odd-files.ts`).
 */
import { concat, fromUtf8, fromUtf8Lossy, utf8 } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { encodeTarEntry } from '../../checkpoint/tar-writer.ts';
import { encodeTarEnd, encodeTarPadding } from '../../image/build/tar-writer.ts';
import type { PureCompute } from '../../env/compute.ts';
import type { FaultName } from '../fault-names.ts';
import type { Strike } from '../faults.ts';
import type { Endlessness } from './endless-commands.ts';
import type { Guest } from './guest.ts';
import { NOTES_BYTES_MAX } from './notes-page.ts';
import { oddFiles } from './odd-files.ts';

const BLOCK_BYTES = 512;
const FOLDER = 'srv';
const NOTES = 'srv/notes';
/** GNU tar: some files differ. */
const CHANGED_STATUS = 1;
const BROKEN_STATUS = 2;

export interface ProgramWorld {
  readonly compute: PureCompute;
  readonly guest: Guest;
  readonly hit: (name: FaultName) => Strike | null;
  readonly violated: (oracle: string, what: string) => void;
  readonly mark: (name: string) => void;
}

export interface Ended {
  readonly output: Bytes;
  readonly code: number;
  /** What it wrote to its standard error. */
  readonly messages: Bytes;
}

/** What a program does with all of its input; null when it reads none. */
export interface Program {
  readonly readsInput: boolean;
  /** It does not end before it is killed. */
  readonly endlessness: Endlessness | null;
  readonly end: (input: Bytes) => Ended;
}

/** Null when the guest has no such program. */
export function findProgram(world: ProgramWorld, argv: readonly unknown[]): Program | null {
  const { guest } = world;
  const [name, mode] = argv;
  const writer = { readsInput: false, endlessness: null };
  const reader = { readsInput: true, endlessness: null };
  if (name === 'count') return { ...writer, end: () => ended(utf8(`${guest.count}\n`)) };
  if (name === 'save') return { ...writer, endlessness: endlessness(world), end: () => save(world) };
  if (name === 'reload')
    return { ...reader, endlessness: endlessness(world), end: (input) => reload(world, input) };
  if (name !== 'tar') return null;
  if (mode === '--create') return { ...writer, end: () => create(world) };
  return { ...reader, end: (input) => extract(world, input) };
}

function endlessness({ hit }: ProgramWorld): Endlessness | null {
  if (hit('hook_hang') !== null) return 'silent';
  return hit('hook_flood') === null ? null : 'flood';
}

/** Whether there is such a file or folder, and what it is. */
export function fileType(path: unknown): 'directory' | null {
  return path === `/${FOLDER}` ? 'directory' : null;
}

function save({ guest, compute, hit }: ProgramWorld): Ended {
  if (hit('hook_fail') !== null) return ended(new Uint8Array(0), 1);
  // Mostly as it was, so that most of it is known the next time.
  const { count } = guest;
  guest.notes = utf8(`${'an old thought. '.repeat(150)}${count}`.slice(-NOTES_BYTES_MAX));
  return ended(utf8(compute.sha256(guest.notes)));
}

function reload({ guest, compute, hit, violated, mark }: ProgramWorld, state: Bytes): Ended {
  if (hit('hook_fail') !== null) return ended(new Uint8Array(0), 1);
  if (compute.sha256(guest.notes) !== fromUtf8Lossy(state))
    violated('checkpoint', `${guest.vmKey} was given back a state that is not that of its files`);
  mark('checkpoint: reloaded');
  return ended(new Uint8Array(0));
}

function create({ guest, hit, mark }: ProgramWorld): Ended {
  const { notes } = guest;
  const common = { mode: 0o755, uid: 0, gid: 0, modified: '1', target: '', extended: {} } as const;
  const folder = { ...common, path: FOLDER, kind: 'directory', sizeBytes: 0 } as const;
  const file = { ...common, path: NOTES, kind: 'file', sizeBytes: notes.byteLength } as const;
  const output = concat([
    encodeTarEntry(folder),
    encodeTarEntry(file),
    notes,
    encodeTarPadding(notes.byteLength),
    encodeTarEnd(),
  ]);
  if (hit('guest_files_change') !== null) {
    mark('checkpoint: files changed');
    return ended(output, CHANGED_STATUS);
  }
  const odd = hit('guest_files_odd');
  if (odd !== null) return ended(oddFiles(odd.random, FOLDER, output));
  mark('checkpoint: files given');
  if (hit('guest_files_socket') === null) return ended(output);
  mark('checkpoint: a socket was left out');
  return { ...ended(output), messages: utf8(`tar: ${FOLDER}/ask: socket ignored\n`) };
}

/** Written apart from the program: what it sends are pax headers, headers and contents. */
function extract({ guest, hit, violated }: ProgramWorld, stream: Bytes): Ended {
  if (hit('guest_disk_full') !== null)
    return {
      ...ended(new Uint8Array(0), BROKEN_STATUS),
      messages: utf8(`tar: ${NOTES}: Cannot write: No space left on device\n`),
    };
  let path = '';
  for (let start = 0; start + BLOCK_BYTES <= stream.byteLength;) {
    const type = String.fromCharCode(stream[start + 156] ?? 0);
    const sizeBytes = parseInt(fromUtf8(stream.slice(start + 124, start + 135)) || '0', 8);
    const contentStart = start + BLOCK_BYTES;
    const content = stream.slice(contentStart, contentStart + sizeBytes);
    if (type === 'x') path = /\d+ path=(.*)\n/.exec(fromUtf8Lossy(content))?.[1] ?? '';
    else if (type === '0' && path === NOTES) guest.notes = content;
    else if (type !== '\0' && path !== `${FOLDER}/`)
      violated('checkpoint', `${guest.vmKey} was given a file that was not in its workspace, ${path}`);
    start = contentStart + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
  }
  return ended(new Uint8Array(0));
}

function ended(output: Bytes, code = 0): Ended {
  return { output, code, messages: new Uint8Array(0) };
}
