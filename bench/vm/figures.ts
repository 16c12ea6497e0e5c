/** From samples to rows: which figure answers which question, and what is asked of it. */
import { median, rowOf } from '../rows.ts';
import type { Row } from '../rows.ts';
import { sumOf } from './measured-vm.ts';
import type { Restored, Snapshotted, Timings } from './measured-vm.ts';
import type { Cycle, Samples } from './measure.ts';

const PAUSE_MS_MAX = 100;
const RESTORE_MS_MAX = 400;
const LARGE_RATIO_MAX = 1.5;
/** At least 5 times shorter. */
const REFERENCE_RATIO_MAX = 0.2;
const RESIDENT_MB_MAX = 200;

export function toRows(samples: Samples): readonly Row[] {
  return [
    ...pauseRows(samples),
    ...restoreRows(samples),
    ...partRows(samples),
    ...referenceRows(samples),
    ...residentRows(samples),
  ];
}

function pauseRows({ small, large }: Samples): readonly Row[] {
  const smallPauses = pausesOf(small);
  return [
    rowOf({
      name: 'pause of a snapshot, 512 MiB',
      unit: 'ms',
      samples: smallPauses,
      target: { of: 'ours', atMost: PAUSE_MS_MAX },
      note: pauseNote(small),
    }),
    rowOf({
      name: 'the same, seen from the guest’s program',
      unit: 'ms',
      samples: small.map(({ snapshot }) => snapshot.gapMs),
      note: 'the longest silence of a program that speaks every 4 ms, by the host’s clock: the guest’s stands still with it',
    }),
    rowOf({
      name: 'pause of a snapshot, 4 GiB',
      unit: 'ms',
      samples: pausesOf(large),
      reference: smallPauses,
      target: { of: 'ratio', atMost: LARGE_RATIO_MAX },
      note: `reference: 512 MiB; ${pauseNote(large)}`,
    }),
  ];
}

function restoreRows({ small, large, fromStore }: Samples): readonly Row[] {
  const first = totals(small, 'first');
  const again = totals(small, 'again');
  return [
    rowOf({
      name: 'restore to first exec answered, 512 MiB',
      unit: 'ms',
      samples: again,
      target: { of: 'ours', atMost: RESTORE_MS_MAX },
      note: splitNote(small.map((cycle) => cycle.again)),
    }),
    rowOf({
      name: 'the same, first restore of a snapshot',
      unit: 'ms',
      samples: first,
      note: `its memory is laid out first; ${splitNote(small.map((cycle) => cycle.first))}`,
    }),
    rowOf({
      name: 'restore to first exec answered, 4 GiB',
      unit: 'ms',
      samples: totals(large, 'again'),
      reference: again,
      target: { of: 'ratio', atMost: LARGE_RATIO_MAX },
      note: 'reference: 512 MiB',
    }),
    rowOf({
      name: 'the same, first restore of a snapshot, 4 GiB',
      unit: 'ms',
      samples: totals(large, 'first'),
      reference: first,
      note: 'reference: 512 MiB',
    }),
    rowOf({
      name: 'restore from a store to first exec answered',
      unit: 'ms',
      samples: fromStore.map(({ totalMs }) => totalMs),
      note: splitNote(fromStore),
    }),
  ];
}

/** Where the time of a restore goes. */
function partRows({ small }: Samples): readonly Row[] {
  const restores = small.map(({ again }) => again);
  return [
    rowOf({
      name: '  of it: the daemon’s phases',
      unit: 'ms',
      samples: restores.map(({ phases }) => sumOf(phases)),
    }),
    rowOf({
      name: '  of it: the rest of the restore command',
      unit: 'ms',
      samples: restores.map((restore) => restore.restoreCommandMs - sumOf(restore.phases)),
    }),
    rowOf({
      name: '  of it: the exec command',
      unit: 'ms',
      samples: restores.map(({ execCommandMs }) => execCommandMs),
    }),
  ];
}

function referenceRows({ small, reference }: Samples): readonly Row[] {
  const pauses = pausesOf(small);
  const savedMb = median(reference.map((cycle) => cycle.savedMb));
  return [
    rowOf({
      name: 'pause against QEMU’s migrate to a file',
      unit: 'ms',
      samples: pauses,
      reference: reference.map(({ pauseMs }) => pauseMs),
      target: { of: 'ratio', atMost: REFERENCE_RATIO_MAX },
      note: `reference: stop, migrate to a file (${savedMb} MB), cont`,
    }),
    rowOf({
      name: 'pause against QEMU’s live migrate to a file',
      unit: 'ms',
      samples: pauses,
      reference: reference.map(({ downtimeMs }) => downtimeMs),
      note: `reference: the downtime that QEMU reports, after ${median(reference.map(({ totalMs }) => totalMs))} ms of copying beside the working VM`,
    }),
    rowOf({
      name: 'restore against QEMU’s -incoming',
      unit: 'ms',
      samples: small.map(({ again }) => sumOf(again.phases)),
      reference: reference.map(({ restoreMs }) => restoreMs),
      note: 'without the command line on both sides: from starting QEMU to the first answer of the agent; ours repairs the guest’s identity as well',
    }),
  ];
}

function residentRows({ residentMb, residentPeakMb }: Samples): readonly Row[] {
  return [
    rowOf({
      name: 'daemon’s resident memory, 4 GiB VM, peak',
      unit: 'MB',
      samples: [residentPeakMb],
      target: { of: 'ours', atMost: RESIDENT_MB_MAX },
      note: `VmHWM after all snapshots, restores and a teleport there and back; median of ${residentMb.length} samples meanwhile: ${median(residentMb)} MB`,
    }),
  ];
}

function pausesOf(cycles: readonly Cycle[]): readonly number[] {
  return cycles.map(({ snapshot }) => snapshot.phases['pauseMs'] ?? Number.NaN);
}

function totals(cycles: readonly Cycle[], which: 'first' | 'again'): readonly number[] {
  return cycles.map((cycle) => cycle[which].totalMs);
}

function pauseNote(cycles: readonly Cycle[]): string {
  const snapshots = cycles.map(({ snapshot }) => snapshot);
  const dirty = snapshots.map(({ dirtyMb }: Snapshotted) => dirtyMb);
  return `dirty ${median(dirty)} MB (${Math.min(...dirty).toFixed(1)} – ${Math.max(...dirty).toFixed(1)}); ${phasesNote(snapshots.map(({ phases }) => phases))}`;
}

function splitNote(restores: readonly Restored[]): string {
  return phasesNote(restores.map(({ phases }) => phases));
}

/** `process 50, load 14, …`: the medians. */
function phasesNote(all: readonly Timings[]): string {
  const names = Object.keys(all[0] ?? {});
  return names
    .map((name) => `${name.replace(/Ms$/, '')} ${median(all.map((phases) => phases[name] ?? 0))}`)
    .join(', ');
}
