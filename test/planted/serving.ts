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
    workload: 'rush',
    faults: [],
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
  {
    name: 'a disk that fails is told as an error of ours',
    edits: [
      {
        file: 'src/daemon/supervisor.ts',
        right: 'throw localFailure(error, label);',
        wrong: 'throw error;',
      },
    ],
    oracles: ['internal-error'],
  },
  {
    name: 'a record that nobody waits for and that cannot be written is nobody’s error',
    edits: [
      {
        file: 'src/teleport/managed-vm.ts',
        right:
          "this.#host.log.error({ event: 'vm-record-unsaved', vmId: this.id, err: asError(error) });\n      return false;",
        wrong:
          "this.#host.log.error({ event: 'vm-record-unsaved', vmId: this.id, err: asError(error) });\n      throw error;",
      },
    ],
    oracles: ['stray-rejection'],
  },
  {
    name: 'a VM that died while no daemon was there ends the next one',
    edits: [
      {
        file: 'src/teleport/recovery.ts',
        right: "vm.instance?.state === 'paused'",
        wrong: "vm.instance.state === 'paused'",
      },
    ],
    oracles: ['bug'],
    workload: 'crowd',
    faults: ['vmm_crash', 'vm_crash', 'daemon_crash'],
  },
  {
    name: 'a VM is found by the beginning of its name',
    edits: [
      {
        file: 'src/teleport/find-record.ts',
        right: '({ vmName }) => vmName === name',
        wrong: '({ vmName }) => vmName.slice(0, 3) === name.slice(0, 3)',
      },
    ],
    oracles: ['identity', 'lost-vm'],
    workload: 'crowd',
    faults: [],
  },
];
