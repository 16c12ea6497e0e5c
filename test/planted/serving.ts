/** Bugs in how a daemon keeps its own acts apart. */
import type { PlantedBug } from './planted-bug.ts';

export const daemonBugs: readonly PlantedBug[] = [
  {
    name: 'a second daemon serves the same home',
    edits: [
      {
        file: 'src/daemon/main.ts',
        right: 'const lock = await env.files.tryLock(`${options.home}/kelpied.lock`);',
        wrong:
          'const lock = (await env.files.tryLock(`${options.home}/kelpied.lock`)) ?? { release: async () => undefined };',
      },
    ],
    oracles: ['one-daemon', 'ended', 'stuck', 'lost-vm', 'leak', 'liveness', 'one-copy', 'internal-error'],
  },
  {
    name: 'two operations on one VM run at once',
    edits: [
      {
        file: 'src/daemon/vm-locks.ts',
        right: 'if (operation !== undefined) {',
        wrong: 'if (operation === null) {',
      },
    ],
    oracles: [
      'internal-error',
      'lost-vm',
      'one-copy',
      'right-to-run',
      'liveness',
      'leak',
      'claim',
      'stuck',
      'ended',
    ],
  },
  {
    name: 'blobs are collected while an operation makes some',
    edits: [
      {
        file: 'src/daemon/blob-gate.ts',
        right: 'if (!this.#isWanted || this.#inside > 0 || this.#collecting !== null) return;',
        wrong: 'if (!this.#isWanted || this.#collecting !== null) return;',
      },
      {
        file: 'src/daemon/blob-gate.ts',
        right: 'while (this.#collecting !== null) await this.#collecting;\n    this.#inside += 1;',
        wrong: 'this.#inside += 1;',
      },
    ],
    oracles: ['layer', 'lost-vm', 'disk', 'memory', 'ended', 'internal-error', 'liveness'],
  },
];
