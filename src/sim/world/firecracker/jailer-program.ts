/**
 * `jailer`, simulated at the wire: its command line, the jail's folders and nodes, the control group, the network namespace, the user, and the
 * program that its process becomes.
 *
 *     words ──▶ program copied ──▶ namespace joined ──▶ control group made and joined ──▶ folders, nodes, process id ──▶ Firecracker
 *
 * What it has made when something fails stays.
 */
import { utf8 } from '../../../base/bytes.ts';
import { MIB } from '../../../base/units.ts';
import type { Env } from '../../../env/env.ts';
import { isSystemError } from '../../../env/system-error.ts';
import { osError } from '../../firecracker/fault.ts';
import {
  jailedWords,
  JailerError,
  jailerComplaint,
  jailFolders,
  jailNodes,
  readJailRequest,
} from '../../firecracker/jailer-line.ts';
import type { JailRequest } from '../../firecracker/jailer-line.ts';
import { formatVersion } from '../../firecracker/version.ts';
import type { Version } from '../../firecracker/version.ts';
import type { Program } from '../../machine.ts';
import type { SimProcess } from '../../process.ts';
import type { WorldTruth } from '../world-truth.ts';
import { CONTROL_GROUPS } from './kernel-objects.ts';
import type { KernelObjects } from './kernel-objects.ts';
import { printer } from './text-file.ts';

const PROGRAM_BYTES_MAX: number = 16 * MIB;
/** What it may be refused, in its words. */
const refusals = [
  'Failed to create cgroup: Device or resource busy (os error 16)',
  'Failed to change file owner: Operation not permitted (os error 1)',
  'Failed to bind mount the jail root directory: Cannot allocate memory (os error 12)',
] as const;

interface Jailing {
  readonly request: JailRequest;
  readonly process: SimProcess;
  readonly env: Env;
  readonly kernel: KernelObjects;
  /** The program's name, and the jail's root as the host sees it. */
  readonly name: string;
  readonly root: string;
}

/** @param firecracker what a jailed process becomes. */
export function jailerProgram(
  kernel: KernelObjects,
  truth: WorldTruth,
  { version, firecracker }: { readonly version: Version; readonly firecracker: Program },
): Program {
  return async (context) => {
    const { process, env, args } = context;
    const print = printer(context, 'jailer');
    try {
      const request = readJailRequest(args.slice(1));
      if (request === null) {
        await print(`Jailer v${formatVersion(version)}\n\n`);
        return 0;
      }
      const name = request.execFile.slice(request.execFile.lastIndexOf('/') + 1);
      const root = `${request.base}/${name}/${request.id}/root`;
      await lockIn({ request, process, env, kernel, name, root });
      truth.mark('firecracker: caged');
      process.becomes([`/${name}`, ...jailedWords(request, 0)], { root, uid: request.uid });
    } catch (error) {
      const complaint = isSystemError(error) ? osError(error) : jailerComplaint(error);
      if (complaint === null) throw error;
      await print(`Error: ${complaint}\n`);
      return 1;
    }
    return await firecracker({ ...context, args: process.args });
  };
}

async function lockIn(jailing: Jailing): Promise<void> {
  const { request, process, env, name, root } = jailing;
  const { files } = env;
  const refuse = (): void => {
    const strike = process.machine.faults.hit('jailer_refused', process.label);
    if (strike !== null) throw new JailerError(strike.random.pick(refusals));
  };
  if (process.uid !== 0)
    throw new JailerError('Failed to change owner: Operation not permitted (os error 1)');
  refuse();
  if ((await files.stat(request.base)).kind !== 'directory')
    throw new JailerError(`${request.base} is not a directory`);
  await files.makeDirectory(root);
  await write(env, `${root}/${name}`, await files.readFile(request.execFile, PROGRAM_BYTES_MAX), 'w');
  if (request.netns !== null) {
    await files.stat(request.netns);
    process.namespace = request.netns;
  }
  await joinGroup(jailing);
  refuse();
  await layOut(jailing);
  refuse();
}

async function joinGroup({ request, process, env, kernel, name }: Jailing): Promise<void> {
  if (request.cgroups.length === 0) return;
  const group = `${request.parentCgroup ?? name}/${request.id}`;
  await env.files.makeDirectory(`${CONTROL_GROUPS}/${group}`);
  kernel.join(group, process);
}

/** @throws SystemError `EEXIST` where a jail of this name was not cleared away. */
async function layOut({ process, env, name, root }: Jailing): Promise<void> {
  for (const folder of jailFolders) await env.files.makeDirectory(`${root}/${folder}`);
  for (const [path] of jailNodes) await write(env, `${root}/${path}`, utf8(''), 'wx');
  await write(env, `${root}/${name}.pid`, utf8(String(process.identity.pid)), 'wx');
}

async function write({ files }: Env, path: string, bytes: Uint8Array, mode: 'w' | 'wx'): Promise<void> {
  const file = await files.open(path, mode);
  try {
    await file.write(bytes, 0);
  } finally {
    await file.close();
  }
}
