/** The suite's command line. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export interface SuiteOptions {
  readonly binary: string;
  /** Null: the tests of the jailer are skipped. */
  readonly jailer: string | null;
  /** The system that tests of the guest agent boot; null with `--no-guest-agent`, and those tests are skipped. */
  readonly guest: Linux | null;
  /** What all other tests boot; null: the suite's own guest of 57 bytes. */
  readonly plainGuest: Linux | null;
  /** Its memory; enough for a Linux if absent. */
  readonly plainMemoryMib?: number;
  readonly jsonPath: string | null;
  /** How often to start and stop, instead of the tests; null: the tests. */
  readonly cycles: number | null;
}

/** A kernel and what it needs. */
export interface Linux {
  readonly kernel: string;
  readonly initrd: string | null;
  readonly rootfs: string | null;
}

export const usage = `npm run conformance:firecracker -- --binary PATH [options]

  --binary PATH       Firecracker, or what says it is
  --jailer PATH       its jailer; without it those tests are skipped
  --kernel PATH       vmlinux whose guest has Kelpie's agent
  --initrd PATH       initramfs of that kernel
  --rootfs PATH       root file system of that kernel, as its read-only root drive
  --no-guest-agent    no guest answers: configuration, life, snapshots and memory alone are tested, on a guest of the suite
                      that only counts, or on any kernel that stays alive, if one is given
  --json FILE         writes the results there as well
  --cycles N          instead of the tests: starts and stops N times and looks for what is left behind
`;

/** Paths become absolute. @throws Error with a sentence for people. */
export function readOptions(args: readonly string[]): SuiteOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      binary: { type: 'string' },
      jailer: { type: 'string' },
      kernel: { type: 'string' },
      initrd: { type: 'string' },
      rootfs: { type: 'string' },
      'no-guest-agent': { type: 'boolean', default: false },
      json: { type: 'string' },
      cycles: { type: 'string' },
    },
  });
  if (values.binary === undefined) throw new Error('Name the Firecracker to test: --binary PATH.');
  const { kernel, initrd = null, rootfs = null } = values;
  const hasGuestAgent = !values['no-guest-agent'] && values.cycles === undefined;
  if (hasGuestAgent && kernel === undefined) {
    throw new Error('Name a kernel whose guest has the agent (--kernel PATH), or give --no-guest-agent.');
  }
  const linux =
    kernel === undefined ? null : { kernel: resolve(kernel), initrd: whole(initrd), rootfs: whole(rootfs) };
  return {
    binary: resolve(values.binary),
    jailer: whole(values.jailer ?? null),
    guest: hasGuestAgent ? linux : null,
    plainGuest: hasGuestAgent ? null : linux,
    jsonPath: values.json ?? null,
    cycles: values.cycles === undefined ? null : readCount(values.cycles),
  };
}

function whole(path: string | null): string | null {
  return path === null ? null : resolve(path);
}

function readCount(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new Error(`${text} is no number of cycles: give 1 to 9999999.`);
  return Number(text);
}
