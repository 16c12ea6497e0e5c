/** VMs on the stand-in, started and stopped a few times. A thousand: `npm run bench -- firecracker-cycles --runs 1000`. */
import { test } from 'node:test';
import { IMAGE_BUILD_TIMEOUT_MS } from './support/base-image.ts';
import { cycleForms, runCycles } from './support/firecracker-cycles.ts';

const CYCLES = 2;
const TIMEOUT_MS = 240_000;

// The last is the one that takes most of the host. One form, since each boots a guest.
const form = (await cycleForms()).at(-1) ?? 'free';

test(`nothing is left of a VM ${form}`, { timeout: IMAGE_BUILD_TIMEOUT_MS + TIMEOUT_MS }, async () => {
  await runCycles(form, CYCLES);
});
