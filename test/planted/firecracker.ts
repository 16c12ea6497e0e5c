/** Bugs in what is asked of Firecracker, and in what is believed of its answers. */
import type { PlantedBug } from './planted-bug.ts';

const adopt = 'src/vm/firecracker/adopt.ts';
const capture = 'src/vm/firecracker/capture.ts';
const orphans = 'src/vm/firecracker/orphans.ts';
const pause = 'src/vm/firecracker/pause.ts';
const slirp = 'src/vm/firecracker/slirp.ts';
const startProcess = 'src/vm/firecracker/start-process.ts';
const tap = 'src/vm/firecracker/tap.ts';
const vmlinux = 'src/vm/firecracker/vmlinux.ts';

export const firecrackerBugs: readonly PlantedBug[] = [
  {
    name: 'an unpacked kernel is not synced',
    edits: [
      {
        file: vmlinux,
        right: 'await createSynced(env.files, part, bytes);',
        wrong:
          "const file = await env.files.open(part, 'wx'); await file.write(bytes, 0); await file.close();",
      },
    ],
    oracles: ['lost-vm'],
  },
  {
    name: 'a Firecracker VM goes on after a bare pause without a snapshot',
    edits: [
      {
        file: pause,
        right: 'if (vm.isBarePause && features.isVsockDeafAfterPause) await resetVsock(context, vm);',
        wrong: 'if (features === null) await resetVsock(context, vm);',
      },
    ],
    oracles: ['lost-vm', 'stuck'],
  },
  {
    name: 'a deaf Firecracker VM is not mended',
    edits: [{ file: pause, right: 'if (!vm.isDeaf) return false;', wrong: 'if (vm !== null) return false;' }],
    oracles: ['lost-vm', 'stuck'],
    workload: 'firecracker',
    faults: ['snapshot_create_fail'],
  },
  {
    name: 'a Firecracker snapshot that failed leaves what was noted of pages',
    edits: [{ file: capture, right: '    vm.base = null;\n    try {\n', wrong: '    try {\n' }],
    oracles: ['memory'],
  },
  {
    name: 'a Firecracker snapshot that fails at its very end is what the next one lies over',
    edits: [
      {
        file: capture,
        right: '    const { sizeBytes } = await',
        wrong: '    this.#adoptBase(map, mapPath, frozen);\n    const { sizeBytes } = await',
      },
    ],
    oracles: ['lost-vm', 'stuck', 'internal-error', 'memory'],
    workload: 'firecracker',
    faults: ['storage_read_fail'],
  },
  {
    name: 'an adopted Firecracker VM counts as one that has just booted',
    edits: [
      {
        file: adopt,
        right: '    base: null,\n',
        wrong: '    base: PageMap.empty(context.config.memoryMib * 256),\n',
      },
      {
        file: adopt,
        right: "import { guestOf } from '../runtime.ts';\n",
        wrong:
          "import { guestOf } from '../runtime.ts';\nimport { PageMap } from '../../snapshot/page-map.ts';\n",
      },
    ],
    oracles: ['memory'],
    workload: 'firecracker',
    faults: ['daemon_crash', 'operation_cut'],
  },
  {
    name: 'pages that a guest on Firecracker cleared are forgotten',
    edits: [
      {
        file: capture,
        right: "placement: 'in-place', runs, zeroRuns }",
        wrong: "placement: 'in-place', runs, zeroRuns: zeroRuns.constructor.none }",
      },
    ],
    oracles: ['memory'],
    workload: 'firecracker',
  },
  {
    name: 'holes in a memory that Firecracker wrote are taken for zeros',
    edits: [
      {
        file: capture,
        right: 'const hasHoles = await this.#context.tellsHoles();',
        wrong: 'const hasHoles = false;',
      },
    ],
    oracles: ['memory'],
    workload: 'firecracker',
    faults: [],
  },
  {
    name: 'the disk of a Firecracker VM is copied after the guest went on',
    edits: [
      {
        file: capture,
        right: '    const frozen = await copyDisk(',
        wrong: '    await goOn(this.#context, vm);\n    const frozen = await copyDisk(',
      },
    ],
    oracles: ['disk', 'right-to-run'],
  },
  {
    name: 'a Firecracker of nobody is not found',
    edits: [
      {
        file: orphans,
        right: 'if (isCaged(args, cages) || (await workingDirectory(files, identity)) === runDirectory)',
        wrong: 'if (isCaged(args, cages) && (await workingDirectory(files, identity)) === runDirectory)',
      },
    ],
    oracles: ['leak', 'one-copy', 'right-to-run', 'layer'],
  },
  {
    name: 'root’s slirp4netns has the mounts of the host',
    edits: [{ file: slirp, right: 'host.uid === 0 ?', wrong: 'host.uid < 0 ?' }],
    oracles: ['host'],
    workload: 'firecracker',
  },
  {
    name: 'the slirp4netns of a VM is not ended with it',
    edits: [{ file: startProcess, right: '  await endSlirp(env, runDirectory);\n', wrong: '' }],
    oracles: ['leak', 'liveness', 'lost-vm'],
    workload: 'firecracker',
    faults: [],
  },
  {
    name: 'a TAP is made before it is written down',
    edits: [
      {
        file: tap,
        right:
          "  await createSynced(env.files, noteOf(runDirectory), utf8(`${name}\\n${namespace ?? ''}`));\n  try {\n",
        wrong: '  try {\n',
      },
      {
        file: tap,
        right: '  if (bridge !== null) await ip(',
        wrong:
          "  await createSynced(env.files, noteOf(runDirectory), utf8(`${name}\\n${namespace ?? ''}`));\n  if (bridge !== null) await ip(",
      },
    ],
    oracles: ['leak', 'liveness', 'lost-vm'],
    workload: 'firecracker',
    faults: ['daemon_crash', 'operation_cut', 'crash_before_write', 'crash_after_write', 'tap_refused'],
  },
];
