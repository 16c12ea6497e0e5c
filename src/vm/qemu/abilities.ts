/** What this host's QEMU can do: asked of it once, and remembered on the disk until the program changes. */
import { z } from 'zod';
import { fromUtf8, utf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { MIB } from '../../base/units.ts';
import { replaceDurably } from '../../env/durable-files.ts';
import type { Env } from '../../env/env.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { Accelerator } from '../../snapshot/compatibility/facts.ts';
import type { Architecture } from '../../snapshot/metadata.ts';
import { askProgram } from './ask-program.ts';
import { qemuProgram } from './command-line.ts';
import { findProgram } from '../find-program.ts';
import type { FoundProgram } from '../find-program.ts';
import type { QemuAbilities } from './machine.ts';
import { tryAccelerator } from './try-accelerator.ts';

/** Without these commands there is no snapshot. */
const NEEDED_COMMANDS = [
  'xen-save-devices-state',
  'blockdev-snapshot',
  'migrate-incoming',
  'pmemsave',
  'ringbuf-read',
];

const QUERY_MODELS = 'query-cpu-definitions';

const REMEMBERED_BYTES_MAX: number = MIB;

const rememberedSchema = z.object({
  fingerprint: z.string(),
  version: z.string(),
  machineTypes: z.array(z.string()),
  cpuModels: z.strictObject({
    tcg: z.array(z.string()),
    kvm: z.exactOptional(z.array(z.string())),
    hvf: z.exactOptional(z.array(z.string())),
  }),
  commands: z.array(z.string()),
  /** A broken accelerator is only known by waiting for it. */
  trial: z.object({ device: z.string(), failure: z.string().nullable() }),
});
type Remembered = z.infer<typeof rememberedSchema>;

const namesSchema = z.array(z.object({ name: z.string() }));
/** Under an accelerator, a model that the host's processor cannot be says what it lacks. */
const modelsSchema = z.array(
  z.object({ name: z.string(), 'unavailable-features': z.array(z.string()).default([]) }),
);

export interface Discovered {
  readonly abilities: QemuAbilities;
  /** Why there is no hardware acceleration; null when there is. */
  readonly notAccelerated: string | null;
}

/**
 * @param program another program than the usual one; for tests and unusual hosts.
 * @throws KelpieError `backend_unavailable` with what to install.
 */
export async function discoverAbilities(
  env: Env,
  architecture: Architecture,
  cacheDirectory: string,
  program: string = qemuProgram(architecture),
): Promise<Discovered> {
  const found = await findProgram(env, program);
  if (found === null) throw missing(program);
  const known = await recall(env, architecture, cacheDirectory, found);
  const absent = NEEDED_COMMANDS.filter((command) => !known.commands.includes(command));
  if (absent.length > 0) {
    throw new KelpieError(
      'backend_unavailable',
      `${program} ${known.version} lacks ${absent.join(', ')}; install QEMU 7.2 or newer.`,
    );
  }
  const { version, machineTypes, cpuModels, commands, trial } = known;
  const accelerator = trial.failure === null ? hardwareAccelerator(env) : 'tcg';
  return {
    abilities: { program: found.path, version, machineTypes, cpuModels, commands, accelerator },
    notAccelerated: trial.failure,
  };
}

function missing(program: string): KelpieError {
  return new KelpieError(
    'backend_unavailable',
    `${program} is not installed: on Debian and Ubuntu \`apt install qemu-system-x86 qemu-system-arm qemu-utils\`, on macOS \`brew install qemu\`.`,
  );
}

async function recall(
  env: Env,
  architecture: Architecture,
  directory: string,
  program: FoundProgram,
): Promise<Remembered> {
  const path = `${directory}/qemu-${architecture}.json`;
  const remembered = await readRemembered(env, path);
  const fingerprint = `${program.path} ${program.fingerprint}`;
  const device = await accelerationDevice(env);
  if (remembered?.fingerprint === fingerprint && remembered.trial.device === device) return remembered;
  const commands = ['query-machines', 'query-commands', QUERY_MODELS];
  const { version, answers } = await askProgram(env, program.path, commands, 'tcg');
  const [machineTypes, names] = answers.map((answer) => namesSchema.parse(answer).map(({ name }) => name));
  const failure = await tryHardware(env, architecture, program.path, directory, device);
  const accelerated = failure === null ? await acceleratedModels(env, program.path) : {};
  const fresh = rememberedSchema.parse({
    fingerprint,
    version,
    machineTypes,
    cpuModels: { tcg: usableModels(answers.at(-1)), ...accelerated },
    commands: names,
    trial: { device, failure },
  });
  await replaceDurably(env.files, path, utf8(JSON.stringify(fresh)));
  return fresh;
}

/** Models under the accelerator of this host, which was seen to work. */
async function acceleratedModels(
  env: Env,
  program: string,
): Promise<Partial<Record<Accelerator, readonly string[]>>> {
  const accelerator = hardwareAccelerator(env);
  const { answers } = await askProgram(env, program, [QUERY_MODELS], accelerator);
  return { [accelerator]: usableModels(answers[0]) };
}

function usableModels(answer: unknown): readonly string[] {
  return modelsSchema
    .parse(answer)
    .filter((model) => model['unavailable-features'].length === 0)
    .map(({ name }) => name);
}

/** Null when there is nothing usable: it is only a memory. */
async function readRemembered(env: Env, path: string): Promise<Remembered | null> {
  let text: string;
  try {
    text = fromUtf8(await env.files.readFile(path, REMEMBERED_BYTES_MAX));
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
  try {
    return rememberedSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return null;
    throw error;
  }
}

function hardwareAccelerator(env: Env): 'kvm' | 'hvf' {
  return env.host.platform === 'darwin' ? 'hvf' : 'kvm';
}

/** Changes with every boot and with the rights to it; empty when there is none. */
async function accelerationDevice(env: Env): Promise<string> {
  if (env.host.platform === 'darwin') return 'hvf';
  try {
    const { inode, modifiedMs, mode, uid, gid } = await env.files.stat('/dev/kvm');
    return [inode, modifiedMs, mode, uid, gid, env.host.uid].join(' ');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return '';
    throw error;
  }
}

/** @returns null when guests run on the hardware, else why they do not. */
async function tryHardware(
  env: Env,
  architecture: Architecture,
  program: string,
  scratchDirectory: string,
  device: string,
): Promise<string | null> {
  if (architecture !== env.host.architecture) {
    return `${architecture} guests are emulated on this ${env.host.architecture} host`;
  }
  if (device === '') return 'there is no /dev/kvm, so guests are emulated';
  const accelerator = hardwareAccelerator(env);
  const why = await tryAccelerator(env, {
    program,
    architecture,
    accelerator,
    cpu: 'host',
    scratchDirectory,
  });
  return why === null ? null : `${accelerator} does not work here (${why}), so guests are emulated`;
}
