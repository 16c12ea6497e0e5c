/** Known bugs are put into a copy of the sources: the simulator must find each, by the oracle that is meant for it, within its seeds. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { kelpieSim } from './support/kelpie-sim.ts';
import { withPlanted } from './support/planted-copy.ts';
import type { Plant } from './support/planted-copy.ts';

interface PlantedBug extends Plant {
  readonly name: string;
  /** One of these must fire. */
  readonly oracles: readonly string[];
}

const SEEDS_MAX = 500;

const bugs: readonly PlantedBug[] = [
  {
    name: 'the captured pages are not synced',
    file: 'src/vm/qemu/capture.ts',
    right: 'else await makeDurable(env.files, pagePath);',
    wrong: 'else await env.files.syncDirectory(places.blobDirectory);',
    oracles: ['memory', 'lost-vm'],
  },
  {
    name: 'pages that became zero are forgotten',
    file: 'src/vm/qemu/capture.ts',
    right: 'zeroRuns: pages.zeroRuns }',
    wrong: 'zeroRuns: pages.zeroRuns.constructor.none }',
    oracles: ['memory'],
  },
  {
    name: 'the target starts without a claim',
    file: 'src/teleport/target.ts',
    right: "await this.#phase('claim', () => this.#claim(store, found, operation));",
    wrong: '',
    oracles: ['right-to-run', 'one-copy', 'lost-vm'],
  },
  {
    name: 'the source forgets that the VM left',
    file: 'src/teleport/settle-teleport.ts',
    right:
      'departed: { storeUrl: operation.storeUrl, packageId, epoch: operation.commitEpoch, reclaimedBy: null },',
    wrong: 'departed: null,',
    oracles: ['right-to-run', 'one-copy'],
  },
  {
    name: 'small files are replaced without syncing their names',
    file: 'src/env/durable-files.ts',
    right: '  await files.syncDirectory(parentDirectory(path));\n}\n\n/** Makes the contents',
    wrong: '}\n\n/** Makes the contents',
    oracles: ['lost-vm', 'one-copy', 'right-to-run', 'lost-time'],
  },
  {
    name: 'small files are made without syncing their contents',
    file: 'src/env/durable-files.ts',
    right: '    await handle.write(bytes, 0);\n    await handle.sync();',
    wrong: '    await handle.write(bytes, 0);',
    oracles: ['packages', 'lost-vm', 'epochs'],
  },
  {
    name: 'objects are not synced before they have their name',
    file: 'src/store/objects/local/object-tree.ts',
    right: '      await createSynced(this.env.files, part, bytes);\n',
    wrong:
      "      const file = await this.env.files.open(part, 'wx');\n      await file.write(bytes, 0);\n      await file.close();\n",
    oracles: ['packages', 'lost-vm', 'epochs'],
  },
  {
    name: "an object's name is not synced",
    file: 'src/store/objects/local/object-tree.ts',
    right: '      await this.env.files.syncDirectory(parentDirectory(this.pathOf(key)));\n',
    wrong: '',
    oracles: ['packages', 'lost-vm', 'epochs', 'right-to-run'],
  },
  {
    name: 'pages that were written are taken for unchanged',
    file: 'src/store/packages/compare-pages.ts',
    right: 'compute.isEqual(own.subarray(start, end), before.subarray(start, end))',
    wrong: 'compute.isEqual(own.subarray(start, start), before.subarray(start, start))',
    oracles: ['memory', 'disk', 'lost-vm', 'lost-time'],
  },
  {
    name: "the places of a memory's pages are one page beside",
    file: 'src/teleport/place-files.ts',
    right: 'return decodeStoreMap(bytes, this.#env.compute);',
    wrong:
      'const map = decodeStoreMap(bytes, this.#env.compute); map.columns.framePage.forEach((page, index, all) => { if (page > 0) all[index] = page - 1; }); return map;',
    oracles: ['memory', 'disk', 'lost-vm', 'lost-time'],
  },
  {
    name: 'the guest is handed out without repair',
    file: 'src/vm/qemu/load.ts',
    right: 'const clockStepMs = await this.#repair(vm);',
    wrong: 'const clockStepMs = 0;',
    oracles: ['repair', 'lost-vm'],
  },
  {
    name: 'layers that a VM runs on are collected',
    file: 'src/daemon/supervisor.ts',
    right: 'disk: [...record.disk, ...(record.runtime?.disk ?? [])],',
    wrong: 'disk: [],',
    oracles: ['lost-vm', 'disk'],
  },
  {
    name: "the VM's generation does not grow",
    file: 'src/teleport/start-from-snapshot.ts',
    right: 'snapshot.metadata.guest.generation) + 1',
    wrong: 'snapshot.metadata.guest.generation)',
    oracles: ['lost-vm'],
  },
];

for (const bug of bugs) {
  test(`found within ${SEEDS_MAX} seeds: ${bug.name}`, async () => {
    const args = ['--seeds', String(SEEDS_MAX), '--until-failure'];
    const { stdout, stderr } = await withPlanted(bug, (copy) => kelpieSim(args, { at: copy }));
    const output = stderr + stdout;
    const oracle = /^seed \d+: ([a-z-]+): /m.exec(output)?.[1];
    assert.ok(oracle !== undefined, `it was missed: ${output}`);
    assert.ok(bug.oracles.includes(oracle), output);
  });
}
