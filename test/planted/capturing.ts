/** Bugs in what a snapshot holds, in what is kept of it, and in what a restored guest is told. */
import type { PlantedBug } from './planted-bug.ts';

const capture = 'src/vm/qemu/capture.ts';
const keep = 'src/vm/keep-captured.ts';
const start = 'src/teleport/start-from-snapshot.ts';

export const snapshotBugs: readonly PlantedBug[] = [
  {
    name: 'the captured pages are not synced',
    edits: [
      {
        file: keep,
        right: 'if (isPageFileUsed) await makeDurable(env.files, pagePath);',
        wrong: 'if (isPageFileUsed) await env.files.syncDirectory(places.blobDirectory);',
      },
    ],
    oracles: ['memory', 'lost-vm', 'stuck'],
    workload: 'crowd',
    faults: ['host_power_loss', 'storage_unflushed_loss'],
  },
  {
    name: 'the captured device state is not synced',
    edits: [
      { file: keep, right: '  await makeDurable(env.files, `${directory}/device-state`);\n', wrong: '' },
    ],
    oracles: ['lost-vm', 'lost-time', 'liveness'],
    workload: 'crowd',
    faults: ['host_power_loss', 'storage_unflushed_loss'],
  },
  {
    name: 'pages that became zero are forgotten',
    edits: [
      {
        file: capture,
        right: 'pageFile: this.#pageFile, runs, zeroRuns }',
        wrong: 'pageFile: this.#pageFile, runs, zeroRuns: zeroRuns.constructor.none }',
      },
    ],
    oracles: ['memory'],
    workload: 'crowd',
    faults: [],
  },
  {
    name: 'pages are looked for before the guest stands still',
    edits: [
      {
        file: capture,
        right: 'const { pages } = await view.dirtyPages();',
        wrong:
          'const seen = await view.dirtyPages(); const { pages } = seen; view.dirtyPages = async () => seen;',
      },
    ],
    oracles: ['memory', 'lost-vm', 'lost-time'],
  },
  {
    name: 'a snapshot forgets the pages of the one before',
    edits: [
      {
        file: capture,
        right: 'if (this.#vm.memory === null)',
        wrong: 'if (this.#vm.memory !== undefined)',
      },
    ],
    oracles: ['memory'],
    workload: 'crowd',
    faults: [],
  },
  {
    name: 'a run of pages is laid out one page beside',
    edits: [
      {
        file: 'src/snapshot/mapped-runs.ts',
        right: 'at(source, this.#index) + this.#done);',
        wrong: 'at(source, this.#index) + Math.max(0, this.#done - 1));',
      },
    ],
    oracles: ['memory', 'lost-vm'],
    workload: 'crowd',
    faults: [],
  },
  {
    name: 'the guest goes on before its pages are read',
    edits: [
      {
        file: capture,
        right: 'take: () => this.#take(overlay, view, copy),',
        wrong:
          'take: async () => { await this.#takeDevicesAndDisk(overlay); await continueCpus(qmp); return { ...(await this.#takeMemory(view, copy)), deviceStateMs: 0, frozen: this.#vm.disk.slice(0, -1) }; },',
      },
    ],
    oracles: ['memory', 'lost-vm', 'right-to-run'],
  },
  {
    name: 'the disk switches after the guest went on',
    edits: [
      {
        file: capture,
        right: 'const saving = this.#saveDevices();',
        wrong: 'await this.#saveDevices(); await continueCpus(qmp); const saving = Promise.resolve();',
      },
    ],
    oracles: ['disk', 'memory', 'lost-vm', 'right-to-run'],
  },
  {
    name: 'a snapshot counts before it is durable',
    edits: [
      {
        file: 'src/snapshot/local-snapshots.ts',
        right: 'await this.#write(directory, facts);\n    });\n    return located',
        wrong: 'void this.#write(directory, facts).catch(() => undefined);\n    });\n    return located',
      },
    ],
    oracles: ['lost-vm', 'lost-time', 'liveness'],
  },
  {
    name: 'layers that a VM runs on are collected',
    edits: [
      {
        file: 'src/daemon/snapshot-space.ts',
        right: 'disk: [...record.disk, ...(record.runtime?.disk ?? [])],',
        wrong: 'disk: [],',
      },
    ],
    oracles: ['layer', 'lost-vm', 'disk'],
  },
  {
    name: 'the memory that a VM runs on is collected',
    edits: [
      {
        file: 'src/daemon/snapshot-space.ts',
        right: 'memory: record.runtime?.memory ?? null,',
        wrong: 'memory: null,',
      },
    ],
    oracles: ['layer', 'lost-vm', 'memory', 'liveness', 'ended', 'internal-error'],
    workload: 'crowd',
    faults: ['daemon_crash', 'operation_cut', 'storage_fsync_fail'],
  },
  {
    name: 'the guest is handed out without repair',
    edits: [
      {
        file: 'src/vm/bring-back.ts',
        right: 'await repairRestored(env, steps.contact(vm), repair);',
        wrong: '{ guest: vm.guest, clockStepMs: 0 };',
      },
    ],
    oracles: ['repair', 'lost-vm'],
  },
  {
    name: 'every restored guest gets the same randomness',
    edits: [
      {
        file: 'src/vm/first-contact.ts',
        right: 'seed: env.random.bytes(SEED_BYTES),',
        wrong: 'seed: new Uint8Array(SEED_BYTES),',
      },
    ],
    oracles: ['repair'],
    workload: 'crowd',
    faults: [],
  },
  {
    name: "the VM's generation does not grow",
    edits: [
      {
        file: start,
        right: 'snapshot.metadata.guest.generation) + 1',
        wrong: 'snapshot.metadata.guest.generation)',
      },
    ],
    oracles: ['lost-vm', 'repair'],
    workload: 'crowd',
    faults: [],
  },
  {
    name: "the guest goes on before the VM's generation is durable",
    edits: [{ file: start, right: '      await generationKept;\n', wrong: '' }],
    oracles: ['lost-vm', 'repair', 'liveness'],
    workload: 'crowd',
    faults: ['storage_latency'],
  },
  {
    name: 'a restore goes back to the oldest snapshot',
    edits: [
      {
        file: 'src/teleport/restore-local.ts',
        right: '    return host.snapshots.read(vm.id, snapshotId);\n  }',
        wrong:
          '    const [oldest] = await host.snapshots.list(vm.id);\n    return oldest?.damaged === false ? oldest.snapshot : host.snapshots.read(vm.id, snapshotId);\n  }',
      },
    ],
    oracles: ['lost-time', 'lost-vm'],
    workload: 'crowd',
    faults: [],
  },
  {
    name: 'copies begin with the last snapshot of a VM',
    edits: [
      {
        file: 'src/daemon/rooms/forks.ts',
        right:
          'snapshotId === undefined\n            ? liveOrigin(host, registry, vm, guard)\n            : snapshotOrigin(host, vm, snapshotId, guard);',
        wrong:
          'snapshotId === undefined && vm.record.snapshotId === null\n            ? liveOrigin(host, registry, vm, guard)\n            : snapshotOrigin(host, vm, snapshotId ?? vm.record.snapshotId, guard);',
      },
    ],
    oracles: ['fork'],
    workload: 'crowd',
    faults: [],
  },
  {
    name: 'files that changed while they were read are taken for whole',
    edits: [
      {
        file: 'src/checkpoint/capture-applications.ts',
        right: '  if (hasChanged) return null;\n',
        wrong: '',
      },
    ],
    oracles: ['checkpoint'],
    workload: 'crowd',
    faults: ['guest_files_change'],
  },
  {
    name: 'files that lie outside of the workspace are taken along',
    edits: [
      {
        file: 'src/checkpoint/entry-rules.ts',
        right: "    if (!this.#isInside(path)) return 'a path lies outside of the workspace';\n",
        wrong: '',
      },
    ],
    oracles: ['checkpoint'],
    workload: 'crowd',
    faults: ['guest_files_odd'],
  },
  {
    name: 'a checkpoint boots from an image of another release',
    edits: [
      {
        file: 'src/daemon/restore-as-new.ts',
        right: '      image: `${config.image.name}@${major}.${minor}`,\n',
        wrong: '      image: config.image.name,\n',
      },
    ],
    oracles: ['forged'],
    workload: 'crowd',
    faults: ['package_forged'],
  },
  {
    name: 'a VM goes on before its state is loaded',
    edits: [
      {
        file: 'src/vm/qemu/load-state.ts',
        right:
          "    const isInTime = await isSettledWithin(env.clock, finished.promise, LOAD_TIMEOUT_MS);\n    const outcome = isInTime ? await finished.promise : 'late';\n",
        wrong: "    const outcome = 'completed';\n",
      },
      {
        file: 'src/vm/qemu/load-state.ts',
        right: "if (runState !== 'paused')",
        wrong: "if (runState === 'running')",
      },
    ],
    oracles: ['vmm'],
    workload: 'crowd',
    faults: [],
  },
];
