import { concat } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';

const CTRL_P = 0x10;
const CTRL_Q = 0x11;

export interface KeyPart {
  /** What goes to the command. */
  readonly bytes: Bytes;
  readonly isDetach: boolean;
  /** The chunk ended in Ctrl-P, which is held back until the next key is known. */
  readonly isPrefixHeld: boolean;
}

/** Looks for Ctrl-P Ctrl-Q in typed keys, also across two chunks. */
export function splitAtDetachKeys(chunk: Bytes, isPrefixHeld: boolean): KeyPart {
  const keys = isPrefixHeld ? concat([new Uint8Array([CTRL_P]), chunk]) : chunk;
  for (let at = 0; at + 1 < keys.byteLength; at += 1) {
    if (keys[at] === CTRL_P && keys[at + 1] === CTRL_Q)
      return { bytes: keys.subarray(0, at), isDetach: true, isPrefixHeld: false };
  }
  const isHeld = keys.at(-1) === CTRL_P;
  return { bytes: isHeld ? keys.subarray(0, -1) : keys, isDetach: false, isPrefixHeld: isHeld };
}
