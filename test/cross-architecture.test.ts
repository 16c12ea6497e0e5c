/** A running VM goes to a host of the other architecture and back, with every byte of its memory. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { IMAGE_BUILD_TIMEOUT_MS } from './support/base-image.ts';
import { Crossing } from './support/crossing.ts';
import { FAR_QEMU_TIMEOUT_MS } from './support/far-qemu.ts';

/** A round takes half a minute; its second half is a guest that is emulated twice. */
const ROUND_TIMEOUT_MS = 300_000;
const timeout = 2 * IMAGE_BUILD_TIMEOUT_MS + FAR_QEMU_TIMEOUT_MS + ROUND_TIMEOUT_MS;

for (const architecture of ['x86_64', 'arm64'] as const) {
  test(`a running ${architecture} VM crosses architectures and comes back`, { timeout }, async () => {
    await Crossing.with(async (crossing) => {
      await crossing.round(await crossing.boot(architecture));
      assert.equal(crossing.witness.exact, 2);
    });
  });
}
