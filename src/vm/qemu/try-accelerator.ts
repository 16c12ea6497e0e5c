/**
 * Whether a guest really runs under a hardware accelerator: a device node says nothing (nested virtualization that is
 * advertised but broken, missing rights). A guest of a few instructions is started, which ends QEMU in a way that only
 * executed instructions can.
 */
import type { Env } from '../../env/env.ts';
import type { Architecture, MachineFacts } from '../../snapshot/metadata.ts';
import { acceleratorTrial } from './accelerator-trial.ts';
import { isSettledWithin } from '../bounded.ts';

/** It takes 30–80 ms where it works, emulated as well. */
const TRIAL_TIMEOUT_MS = 2000;

/** @param cpu `host` for hardware; any model in emulation. @returns null when the guest ran, else why it did not. */
export async function tryAccelerator(
  env: Env,
  request: {
    readonly program: string;
    readonly architecture: Architecture;
    readonly accelerator: MachineFacts['accelerator'];
    readonly cpu: string;
    readonly scratchDirectory: string;
  },
): Promise<string | null> {
  const trial = acceleratorTrial(request.architecture);
  const path = `${request.scratchDirectory}/trial-${env.random.uuid()}`;
  try {
    const file = await env.files.open(path, 'wx');
    try {
      await file.write(trial.image, 0);
    } finally {
      await file.close();
    }
    const args = [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-m', '64M'],
      ...['-accel', request.accelerator, '-cpu', request.cpu],
      ...trial.arguments(path),
    ];
    return await runTrial(env, request.program, args, trial.exitCode);
  } finally {
    await env.files.removeTree(path);
  }
}

async function runTrial(
  env: Env,
  program: string,
  args: readonly string[],
  exitCode: number,
): Promise<string | null> {
  const child = await env.processes.spawn({ command: program, args, output: 'ignore' });
  try {
    if (!(await isSettledWithin(env.clock, child.wait(), TRIAL_TIMEOUT_MS))) {
      return `a guest executed nothing in ${TRIAL_TIMEOUT_MS / 1000} s`;
    }
    const status = await child.wait();
    return 'code' in status && status.code === exitCode ? null : 'QEMU could not start a guest with it';
  } finally {
    child.kill('SIGKILL');
    await child.wait();
  }
}
