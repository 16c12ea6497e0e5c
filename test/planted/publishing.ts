/** Bugs in how packages come into stores and out of them. */
import type { PlantedBug } from './planted-bug.ts';

const tree = 'src/store/objects/local/object-tree.ts';
const lostBytes = ['packages', 'memory', 'disk', 'lost-vm', 'lost-time'];

export const publishingBugs: readonly PlantedBug[] = [
  {
    name: 'a package counts as published before its manifest is there',
    edits: [
      {
        file: 'src/store/packages/publish-pin.ts',
        right: 'await this.#objects.putIfAbsent(key, bytes, options);',
        wrong: 'void this.#objects.putIfAbsent(key, bytes, options).catch(() => undefined);',
      },
    ],
    oracles: ['packages', 'lost-vm', 'stray-rejection'],
    workload: 'crowd',
    faults: ['storage_latency', 'network_delay'],
  },
  {
    name: 'the manifest does not wait for its packs',
    edits: [
      {
        file: 'src/store/packages/send-package.ts',
        right: '    await writer.flush();\n    await this.#group.end();',
        wrong: '    void writer.flush().catch(() => undefined);',
      },
    ],
    oracles: ['packages', 'lost-vm', 'stray-rejection'],
  },
  {
    name: 'objects are not synced before they have their name',
    edits: [
      {
        file: tree,
        right: '      await createSynced(this.env.files, part, bytes);\n',
        wrong:
          "      const file = await this.env.files.open(part, 'wx');\n      await file.write(bytes, 0);\n      await file.close();\n",
      },
    ],
    oracles: ['packages', 'lost-vm', 'epochs'],
  },
  {
    name: "an object's name is not synced",
    edits: [
      {
        file: tree,
        right: '      await this.env.files.syncDirectory(parentDirectory(this.pathOf(key)));\n',
        wrong: '',
      },
    ],
    oracles: ['packages', 'lost-vm', 'epochs', 'right-to-run'],
  },
  {
    name: "a store's directories are not synced",
    edits: [
      {
        file: tree,
        right: '    await this.env.files.syncDirectory(parentDirectory(directory));\n',
        wrong: '',
      },
    ],
    oracles: ['packages', 'lost-vm', 'epochs', 'right-to-run'],
  },
  {
    name: "a frame's digest is not checked",
    edits: [
      {
        file: 'src/env/node/frame-work.ts',
        right: 'if (digestOf(bytes) !== sha256)',
        wrong: "if (sha256 === '')",
      },
    ],
    oracles: [...lostBytes, 'internal-error', 'bug'],
    faults: ['storage_corruption', 'network_corruption'],
  },
  {
    name: 'pages that were written are taken for unchanged',
    edits: [
      {
        file: 'src/store/packages/compare-pages.ts',
        right: 'compute.isEqual(own.subarray(start, end), before.subarray(start, end))',
        wrong: 'compute.isEqual(own.subarray(start, start), before.subarray(start, start))',
      },
    ],
    oracles: lostBytes,
    workload: 'crowd',
    faults: [],
  },
  {
    name: "the places of a memory's pages are one page beside",
    edits: [
      {
        file: 'src/teleport/place-files.ts',
        right: 'return decodeStoreMap(bytes, this.#env.compute);',
        wrong:
          'const map = decodeStoreMap(bytes, this.#env.compute); map.columns.framePage.forEach((page, index, all) => { if (page > 0) all[index] = page - 1; }); return map;',
      },
    ],
    oracles: lostBytes,
    workload: 'crowd',
    faults: [],
  },
  {
    name: 'a download that goes on takes frames for there that are not',
    edits: [
      {
        file: 'src/store/packages/fetch-pages.ts',
        right: 'filter((frame) => options.journal?.isDone(frame) !== true)',
        wrong:
          'filter((frame) => options.journal?.isDone(frame) !== true && options.journal?.isDone(frame + 1) !== true)',
      },
    ],
    oracles: lostBytes,
  },
  {
    name: 'pages of this host are taken for those of the package, proven or not',
    edits: [
      {
        file: 'src/store/packages/frame-reader.ts',
        right: 'return packed.codec === codec && packed.sha256 === sha256;',
        wrong: 'return true;',
      },
    ],
    oracles: lostBytes,
  },
  {
    name: 'a frame is taken from this host of which a page is missing',
    edits: [
      {
        file: 'src/store/packages/local-frames.ts',
        right: 'return [...this.#wanted.values()].filter((frame) => this.#missing[frame] === 0);',
        wrong: 'return [...this.#wanted.values()].filter((frame) => (this.#missing[frame] ?? 0) <= 1);',
      },
    ],
    oracles: ['internal-error', 'stray-rejection', 'bug', ...lostBytes],
    workload: 'crowd',
    faults: [],
  },
  {
    name: 'a download is not synced before it has its name',
    edits: [
      {
        file: 'src/teleport/fetch-snapshot.ts',
        right: "await attemptLocally('store what was downloaded', () => file.sync());",
        wrong: '',
      },
    ],
    oracles: lostBytes,
    faults: ['host_power_loss', 'storage_unflushed_loss'],
  },
];
