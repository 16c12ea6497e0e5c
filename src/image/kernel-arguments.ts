/**
 * The kernel command line that an image needs on any backend. Each word is there for a measured reason
 * (docs/adr/0010-base-image.md): under emulation a second of boot is mostly the kernel proving itself to itself.
 */
import type { Architecture } from '../snapshot/metadata.ts';

const common = [
  // Printing to an emulated serial port costs a VM exit per byte.
  'quiet',
  'loglevel=3',
  // A VM that panics is ended, and its backend sees it.
  'panic=-1',
  // Self-tests of ciphers that nothing here uses: 0.27 s under emulation.
  'cryptomgr.notests',
  // The CPU's own generator counts, so nothing waits for entropy before the host's seed arrives.
  'random.trust_cpu=on',
] as const;

const perArchitecture: Readonly<Record<Architecture, readonly string[]>> = {
  x86_64: [
    // One UART is there; probing for four takes as long as each time-out.
    '8250.nr_uarts=1',
    // There is no keyboard controller to wait for.
    'i8042.noaux',
    'i8042.nokbd',
    'i8042.nopnp',
  ],
  arm64: [],
};

/** The arguments of an image that is built now; an existing image has its own in `ImageInfo.kernelArguments`. */
export function imageKernelArguments(architecture: Architecture): readonly string[] {
  return [...common, ...perArchitecture[architecture]];
}

/** The console that the boot log goes to, by backend and architecture. */
export const serialConsole: Readonly<Record<Architecture, string>> = {
  x86_64: 'console=ttyS0',
  arm64: 'console=ttyAMA0',
};
