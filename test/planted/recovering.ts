/** Bugs in what becomes of operations that were cut, and of what they left. */
import type { PlantedBug } from './planted-bug.ts';

const journal = 'src/teleport/journal.ts';
const recovery = 'src/teleport/recovery.ts';
const settleClaim = 'src/teleport/settle-claim.ts';
const registry = 'src/teleport/vm-registry.ts';
const durableFiles = 'src/env/durable-files.ts';

export const recoveryBugs: readonly PlantedBug[] = [
  {
    name: 'operations are not written down',
    edits: [{ file: journal, right: '      await this.write(entry);\n    } catch', wrong: '    } catch' }],
    oracles: ['stuck', 'ended', 'lost-vm', 'leak', 'liveness', 'repair', 'lost-time', 'right-to-run'],
    workload: 'crowd',
    faults: ['operation_cut', 'daemon_crash'],
  },
  {
    name: 'an entry ends before its operation',
    edits: [
      {
        file: 'src/teleport/journaled.ts',
        right: '    const result = await act();\n    await host.journal.remove(operation);',
        wrong: '    await host.journal.remove(operation);\n    const result = await act();',
      },
    ],
    oracles: ['stuck', 'ended', 'lost-vm', 'leak', 'liveness', 'lost-time'],
  },
  {
    name: 'an entry that could not be written down stays',
    edits: [{ file: journal, right: 'await this.#withdraw(entry, error);', wrong: '' }],
    oracles: ['ended', 'liveness', 'lost-vm', 'lost-time'],
    workload: 'crowd',
    faults: ['storage_record_fail'],
  },
  {
    name: 'what was cut is not settled at the start',
    edits: [
      {
        file: recovery,
        right: 'for (const operation of entries) await settleOrHold(host, registry, operation);',
        wrong: '',
      },
    ],
    oracles: [
      'stuck',
      'ended',
      'lost-vm',
      'leak',
      'liveness',
      'repair',
      'lost-time',
      'right-to-run',
      'layer',
    ],
    workload: 'crowd',
    faults: ['operation_cut', 'daemon_crash'],
  },
  {
    name: 'what cannot be settled now is forgotten until the next start',
    edits: [
      {
        file: 'src/daemon/supervisor.ts',
        right: 'this.#track(this.#settleLater(operation));',
        wrong: 'this.#held.delete(vmId); this.#locks.release(vmId);',
      },
    ],
    oracles: ['stuck', 'lost-vm', 'liveness', 'leak', 'lost-time'],
    workload: 'vanish',
    faults: [],
  },
  {
    name: 'a VM that runs is not found again',
    edits: [
      {
        file: recovery,
        right: '      await vm.adopt();\n    } catch (error) {\n      // It is gone',
        wrong: "      await vm.markDead('crashed', null);\n    } catch (error) {\n      // It is gone",
      },
    ],
    oracles: ['ended', 'lost-vm', 'one-copy', 'leak', 'liveness', 'lost-time'],
  },
  {
    name: 'a VM that could not be found again is not looked for',
    edits: [
      {
        file: 'src/daemon/supervisor.ts',
        right:
          "for (const vm of missing) if (!this.#held.has(vm.id)) this.#workLater(vm, 'finding it again', findAgain);",
        wrong: '',
      },
    ],
    oracles: ['lost-vm', 'liveness', 'leak'],
    workload: 'crowd',
    faults: ['daemon_crash', 'storage_read_fail', 'vmm_hang'],
  },
  {
    name: 'a claim that failed is not given back',
    edits: [
      {
        file: settleClaim,
        right: "if (operation.step !== 'fetching') await putToRest(host, operation);",
        wrong: '',
      },
    ],
    oracles: ['lost-vm', 'liveness'],
    workload: 'crowd',
    faults: ['snapshot_restore_fail', 'vm_resume_fail', 'guest_repair_fail'],
  },
  {
    name: 'a claim that failed leaves what runs',
    edits: [{ file: settleClaim, right: '      await vm.kill();\n', wrong: '      await vm.release();\n' }],
    oracles: ['leak', 'right-to-run', 'one-copy', 'claim', 'liveness', 'lost-vm'],
    workload: 'crowd',
    faults: ['crash_at_record', 'operation_cut'],
  },
  {
    name: 'a claim that was won counts as done before its record is durable',
    edits: [
      {
        file: settleClaim,
        right: 'if (isDone) await vm.save();',
        wrong: 'if (isDone) await Promise.resolve();',
      },
    ],
    oracles: ['lost-vm', 'lost-time'],
    workload: 'crowd',
    faults: ['storage_record_fail', 'daemon_crash'],
  },
  {
    name: 'a record that could not be read is taken for damaged for good',
    edits: [{ file: registry, right: 'isUnread: isSystemError(error)', wrong: 'isUnread: false' }],
    oracles: ['lost-vm', 'liveness', 'ended'],
    workload: 'crowd',
    faults: ['storage_record_fail', 'daemon_crash'],
  },
  {
    name: 'small files are replaced without syncing their names',
    edits: [
      {
        file: durableFiles,
        right: '  await files.syncDirectory(parentDirectory(path));\n}\n\n/** Makes the contents',
        wrong: '}\n\n/** Makes the contents',
      },
    ],
    oracles: ['lost-vm', 'one-copy', 'right-to-run', 'lost-time', 'packages', 'epochs'],
  },
  {
    name: 'small files are made without syncing their contents',
    edits: [
      {
        file: durableFiles,
        right: '    await handle.write(bytes, 0);\n    await handle.sync();',
        wrong: '    await handle.write(bytes, 0);',
      },
    ],
    oracles: ['packages', 'lost-vm', 'epochs'],
  },
];
