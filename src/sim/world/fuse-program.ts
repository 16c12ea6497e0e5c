/**
 * `/bin/sh` with the script of a lease's fuse (`teleport/lease-fuse.ts`), which is all that the program runs it for: the same arguments, the same
 * looks at the file and the clock, the same end. What the script itself does is tested with real processes.
 */
import { fromUtf8Lossy, utf8 } from '../../base/bytes.ts';
import { SECOND_MS } from '../../base/units.ts';
import type { Env } from '../../env/env.ts';
import { isThere } from '../../env/is-there.ts';
import { isSystemError } from '../../env/system-error.ts';
import { isCaged, listCages } from '../../vm/cages.ts';
import type { Program } from '../machine.ts';

const TOKEN_BYTES_MAX = 100;

export const fuseProgram: Program = async ({ process, env, args }) => {
  const [file = '', token = '', runs = '', name = '', seconds = '0'] = args.slice(4);
  const { machine } = process;
  // As `/proc/uptime`, which nobody sets.
  const nowS = (): number => Math.floor(machine.scheduler.nowMs / SECOND_MS);
  const endS = nowS() + Number(seconds);
  let isSeen = false;
  for (;;) {
    const force = await forceOf(env, file, token);
    if (isSeen && force === 'out') return 0;
    isSeen ||= force === 'in';
    if (nowS() < endS) await env.clock.sleep(SECOND_MS);
    else if (force === 'out') return 0;
    else break;
  }
  await mark(env, `${file}.blown`);
  const cages = await listCages(env.files, `${runs}/${name}`);
  for (const other of machine.processes) {
    const isOfVm = isCaged(other.args, cages) || other.args.some((arg) => arg.includes(`${runs}/${name}/`));
    if (other !== process && isOfVm) machine.kill(other, 'SIGSTOP');
  }
  return 0;
};

/** Whether the file says that this fuse is in force: it is there and cannot be read, or what it says is known. */
async function forceOf(env: Env, file: string, token: string): Promise<'in' | 'out' | 'unknown'> {
  try {
    const current = fromUtf8Lossy(await env.files.readFile(file, TOKEN_BYTES_MAX)).trim();
    return current === token ? 'in' : 'out';
  } catch (error) {
    if (isSystemError(error)) return (await isThereForAShell(env, file)) ? 'unknown' : 'out';
    throw error;
  }
}

/** `[ -e FILE ]`, which takes every refusal for a no. */
async function isThereForAShell(env: Env, path: string): Promise<boolean> {
  try {
    return await isThere(env.files, path);
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}

/** A shell that cannot write says so to nobody, and goes on. */
async function mark(env: Env, path: string): Promise<void> {
  try {
    const handle = await env.files.open(path, 'w');
    await handle.write(utf8(''), 0);
    await handle.close();
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}
