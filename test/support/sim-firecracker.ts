/** The simulated Firecracker, for the conformance suite: on a simulated machine that nothing goes wrong on. */
import { utf8 } from '../../src/base/bytes.ts';
import type { Program } from '../../src/sim/machine.ts';
import { parseVersion } from '../../src/sim/firecracker/version.ts';
import { createSimEnv } from '../../src/sim/env/sim-env.ts';
import { jailerProgram } from '../../src/sim/world/firecracker/jailer-program.ts';
import { KernelObjects } from '../../src/sim/world/firecracker/kernel-objects.ts';
import { firecrackerProgram } from '../../src/sim/world/firecracker/program.ts';
import { qemuImgProgram } from '../../src/sim/world/qemu-img.ts';
import { simulatedVmlinux } from '../../src/sim/world/simulated-kernel.ts';
import { WorldTruth } from '../../src/sim/world/world-truth.ts';
import { writeFile } from '../conformance-firecracker/under-test.ts';
import type { Outside } from '../conformance-firecracker/outside.ts';
import type { SuiteOptions } from '../conformance-firecracker/options.ts';
import { RunningNetwork } from './running-network.ts';

const WALL_START_MS = 1_700_000_000_000;
const KERNEL = '/kernel';
const BINARY = '/firecracker';

export interface SimulatedFirecracker {
  readonly outside: Outside;
  readonly options: SuiteOptions;
  /** What of the world's rules the simulated guests were seen to break. */
  readonly truth: WorldTruth;
  close(): void;
}

export async function simulatedFirecracker(version: string): Promise<SimulatedFirecracker> {
  // A VM is known by its folder, and the suite loads one's snapshot in another's.
  const truth = new WorldTruth(new Set(['identity']));
  const network = new RunningNetwork(1, WALL_START_MS);
  const kernel = new KernelObjects();
  const own = parseVersion(version);
  const firecracker = firecrackerProgram(truth, own, kernel);
  const programs = new Map<string, Program>([
    ['firecracker', firecracker],
    ['jailer', jailerProgram(kernel, truth, { version: own, firecracker })],
    ['qemu-img', qemuImgProgram],
  ]);
  const process = network.addMachine('host', programs).startProcess(['suite'], 'suite t');
  process.uid = 0;
  const env = createSimEnv(process);
  await writeFile(env, KERNEL, simulatedVmlinux());
  await writeFile(env, BINARY, utf8('firecracker'));
  let folders = 0;
  const makeFolder = async (): Promise<string> => {
    folders += 1;
    await env.files.makeDirectory(`/home/run/fc-${folders}`);
    return `/home/run/fc-${folders}`;
  };
  return {
    outside: { env, makeFolder, descendants: () => [] },
    options: {
      binary: BINARY,
      jailer: 'jailer',
      guest: null,
      // Simulated guests execute nothing of it: they count in their own way.
      plainGuest: { kernel: KERNEL, initrd: null, rootfs: null },
      plainMemoryMib: 4,
      jsonPath: null,
      cycles: null,
    },
    truth,
    close: () => network.close(),
  };
}
