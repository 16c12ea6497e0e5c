/** Bugs in who may run a VM. */
import type { Edit } from '../support/planted.ts';
import type { PlantedBug } from './planted-bug.ts';

const target = 'src/teleport/target.ts';
const source = 'src/teleport/source.ts';
const settleTeleport = 'src/teleport/settle-teleport.ts';
const records = 'src/store/records/object-ownership.ts';
const watch = 'src/teleport/lease-watch.ts';

/** Alone, and without the look that would notice it. */
const blindClaim: Edit = {
  file: target,
  right:
    'const outcome = await swap(this.#host, store.ownership, found.record, next);\n    if (outcome.isWon) return;',
  wrong:
    'const outcome = await swap(this.#host, store.ownership, found.record, next);\n    if (outcome !== null) return;',
};
/** Alone, and without the pause too. */
const noFuse: Edit = {
  file: watch,
  right: 'await this.#options.fuse.take(granted);',
  wrong: 'granted.putOut();',
};

export const ownershipBugs: readonly PlantedBug[] = [
  {
    name: 'a record is replaced whatever its revision is',
    edits: [
      {
        file: records,
        right: 'if (found?.record.revision !== expectedRevision) throw recordConflict(next);',
        wrong: 'if (found === null) throw recordConflict(next);',
      },
    ],
    oracles: ['epochs', 'claim', 'one-copy', 'right-to-run'],
  },
  {
    name: 'a record is put without its condition',
    edits: [
      {
        file: records,
        right: 'this.#objects.putIfMatch(key, found.etag, bytes)',
        wrong: "this.#objects.put(key, bytes).then(() => ({ result: 'written', etag: found.etag }) as const)",
      },
    ],
    oracles: ['epochs', 'claim', 'one-copy', 'right-to-run'],
  },
  {
    name: 'a lost race counts as won',
    edits: [
      {
        file: 'src/teleport/ownership.ts',
        right: 'return { isWon: false, current };',
        wrong: 'return { isWon: true };',
      },
    ],
    oracles: ['claim', 'one-copy', 'right-to-run', 'lost-vm'],
    workload: 'rush',
    faults: [],
  },
  {
    name: 'the target starts without a claim',
    edits: [
      {
        file: target,
        right: "await this.#phase('claim', () => this.#claim(store, found, operation));",
        wrong: '',
      },
    ],
    oracles: ['claim', 'right-to-run', 'one-copy'],
  },
  {
    name: 'a claim does not ask whether it won',
    edits: [blindClaim],
    oracles: ['claim', 'one-copy'],
    workload: 'rush',
    faults: [],
  },
  {
    name: 'a claim neither asks whether it won nor looks before the VM goes on',
    edits: [blindClaim, { file: target, right: 'if (!isOurs)', wrong: 'if (isOurs === null)' }],
    oracles: ['claim', 'one-copy', 'owner'],
    workload: 'rush',
    faults: [],
  },
  {
    name: 'a claim takes no epoch of its own',
    edits: [
      {
        file: target,
        right: 'claimEpoch: found.record.epoch + 1,',
        wrong: 'claimEpoch: found.record.epoch,',
      },
    ],
    oracles: ['epochs', 'lost-vm', 'liveness', 'one-copy', 'right-to-run'],
  },
  {
    name: 'a commit lowers the epoch',
    edits: [
      {
        file: source,
        right: 'commitEpoch: Math.max(previous?.epoch ?? 0, ownership?.epoch ?? 0) + 1,',
        wrong: 'commitEpoch: 1,',
      },
    ],
    oracles: ['epochs', 'stuck', 'lost-vm', 'liveness'],
  },
  {
    name: 'an unanswered commit counts as not done',
    edits: [
      {
        file: settleTeleport,
        right: "return operation.step === 'committing' ? await askFate(host, operation) : 'stayed';",
        wrong:
          "return operation.step === 'committing' && operation.vmId === '' ? await askFate(host, operation) : 'stayed';",
      },
    ],
    oracles: ['one-copy', 'right-to-run', 'owner'],
  },
  {
    name: 'an unanswered commit counts as done',
    edits: [
      {
        file: settleTeleport,
        right: "if (operation.step === 'committed') return 'departed';",
        wrong: "if (operation.step === 'committed' || operation.step === 'committing') return 'departed';",
      },
    ],
    oracles: ['lost-vm', 'lost-time', 'liveness'],
  },
  {
    name: 'the source forgets that the VM left',
    edits: [
      {
        file: settleTeleport,
        right:
          'departed: { storeUrl: operation.storeUrl, packageId, epoch: operation.commitEpoch, reclaimedBy: null },',
        wrong: 'departed: null,',
      },
    ],
    oracles: ['right-to-run', 'one-copy', 'claim'],
  },
  {
    name: 'the source does not end its copy after the commit',
    edits: [
      {
        file: settleTeleport,
        right:
          '  await vm.kill();\n  await host.leases.drop(vm.id);\n  await host.snapshots.dropAside(vm.id);',
        wrong:
          '  await vm.release();\n  await host.leases.drop(vm.id);\n  await host.snapshots.dropAside(vm.id);',
      },
    ],
    oracles: ['leak'],
  },
  {
    name: 'a VM that leaves goes on while it is published',
    edits: [{ file: source, right: '      resume: false,', wrong: '      resume: true,' }],
    oracles: ['lost-time', 'right-to-run', 'one-copy'],
  },
  {
    name: 'a removal is told before the VM has ended',
    edits: [
      {
        file: 'src/teleport/lifecycle.ts',
        right:
          '    await vm.kill();\n    // Not before: a crash in between would leave a VM that runs and may never leave this host again.\n    await tellRemoved(host, vm);',
        wrong: '    await tellRemoved(host, vm);\n    await vm.kill();',
      },
    ],
    oracles: ['right-to-run'],
  },
  {
    name: 'a VM that comes back is not asked about',
    edits: [
      {
        file: 'src/teleport/leases.ts',
        right:
          'async secure(vm: ManagedVm, right: HeldRight | null = vm.record.ownership): Promise<void> {\n    if (right === null) return;',
        wrong:
          'async secure(vm: ManagedVm, right: HeldRight | null = vm.record.ownership): Promise<void> {\n    if (right === null || !this.#watches.has(vm.id)) return;',
      },
    ],
    oracles: ['owner', 'one-copy', 'right-to-run'],
    workload: 'vanish',
  },
  {
    name: 'a reclaim does not wait for the lease',
    edits: [
      {
        file: 'src/teleport/reclaim.ts',
        right: 'if (!force) await observe(',
        wrong: 'if (force) await observe(',
      },
    ],
    oracles: ['one-copy', 'right-to-run', 'owner'],
    workload: 'vanish',
  },
  {
    name: 'a lease that ran out neither pauses nor freezes',
    edits: [
      {
        file: watch,
        right: 'if (await this.#pause()) await this.#notePause();',
        wrong: '',
      },
      noFuse,
    ],
    oracles: ['one-copy', 'right-to-run', 'owner'],
    workload: 'vanish',
  },
  {
    name: 'a lease has no fuse',
    edits: [noFuse],
    oracles: ['one-copy', 'right-to-run', 'owner'],
    workload: 'vanish',
  },
  {
    name: 'a frozen VM goes on without its lease',
    edits: [
      {
        file: 'src/teleport/recovery.ts',
        right: 'if (!(await isThawed(host, vm))) return;',
        wrong: 'await host.leases.thaw(vm.id);',
      },
      {
        file: 'src/teleport/recovery.ts',
        right: 'if (await isFrozen(host, vm)) return false;',
        wrong: '',
      },
    ],
    oracles: ['one-copy', 'right-to-run', 'owner'],
    workload: 'vanish',
  },
];
