/** From samples to rows: which figure answers which question, and what is asked of it. */
import { median, rowOf } from '../rows.ts';
import type { Row } from '../rows.ts';
import type { Samples } from './measure.ts';
import type { PeerName, PeerRun } from './peers.ts';

const FIRST_RATIO_MAX = 1.3;
const FIRST_SEALED_RATIO_MAX = 1.5;
const SECOND_RATIO_MAX = 0.333;
const RESTORE_RATIO_MAX = 1.2;
const S3_RATIO_MAX = 0.5;
const REQUESTS_MAX = 60;
/** 70 % of the throughput that the parts allow. */
const LIMIT_RATIO_MAX = 1 / 0.7;
const RESIDENT_MB_MAX = 256;
/** Tools that keep A and B and store what differs; they are who the second publish is measured against. */
const keepers: readonly PeerName[] = ['restic', 'borg', 'casync', 'rclone'];

export function toRows(samples: Samples): readonly Row[] {
  return [
    ...firstRows(samples),
    ...secondRows(samples),
    ...restoreRows(samples),
    ...s3Rows(samples),
    ...backRows(samples),
    ...peerRows(samples),
  ];
}

function firstRows({ plain, sealed, zstd, parts }: Samples): readonly Row[] {
  const reference = zstd.map(({ compressMs }) => compressMs);
  const each = (name: keyof (typeof parts)[number]): string =>
    `${median(parts.map((part) => part[name]))} ms`;
  return [
    rowOf({
      name: 'first publish, local store',
      unit: 'ms',
      samples: plain.map(({ firstMs }) => firstMs),
      reference,
      target: { of: 'ratio', atMost: FIRST_RATIO_MAX },
      note: `reference: zstd -1 -T0 of the same file; ${median(plain.map(({ firstMb }) => firstMb))} MB stored, durable`,
    }),
    rowOf({
      name: 'first publish, encrypted',
      unit: 'ms',
      samples: sealed.map(({ firstMs }) => firstMs),
      reference,
      target: { of: 'ratio', atMost: FIRST_SEALED_RATIO_MAX },
      note: 'reference: zstd -1 -T0, which does not encrypt',
    }),
    rowOf({
      name: 'first publish against the limit of its parts',
      unit: 'ms',
      samples: plain.map(({ firstMs }) => firstMs),
      reference: parts.map(({ limitMs }) => limitMs),
      target: { of: 'ratio', atMost: LIMIT_RATIO_MAX },
      note: `reference: read ${each('readMs')}, compress ${each('compressMs')} and digest ${each('digestMs')} on one thread, halved; 70 % of it is 1.43`,
    }),
    rowOf({
      name: 'resident memory of all of it, peak',
      unit: 'MB',
      samples: [...plain, ...sealed].map(({ residentPeakMb }) => residentPeakMb),
      target: { of: 'ours', atMost: RESIDENT_MB_MAX },
      note: 'VmHWM of the process that published and restored all of them',
    }),
  ];
}

function secondRows({ plain, peers }: Samples): readonly Row[] {
  const [byBytes, bytes] = best(peers, ({ secondMb }) => secondMb);
  const [byTime, times] = best(peers, ({ secondMs }) => secondMs);
  return [
    rowOf({
      name: 'second publish, bytes moved',
      unit: 'MB',
      samples: plain.map(({ secondMb }) => secondMb),
      reference: bytes,
      target: { of: 'ratio', atMost: SECOND_RATIO_MAX },
      note: `reference: the best of ${keepers.join(', ')}, which is ${byBytes}`,
    }),
    rowOf({
      name: 'second publish, time',
      unit: 'ms',
      samples: plain.map(({ secondMs }) => secondMs),
      reference: times,
      target: { of: 'ratio', atMost: SECOND_RATIO_MAX },
      note: `reference: the best of them, which is ${byTime}`,
    }),
  ];
}

function restoreRows({ plain, sealed, zstd }: Samples): readonly Row[] {
  const reference = zstd.map(({ decompressMs }) => decompressMs);
  return [
    rowOf({
      name: 'restore of all pages, local store',
      unit: 'ms',
      samples: plain.map(({ restoreMs }) => restoreMs),
      reference,
      target: { of: 'ratio', atMost: RESTORE_RATIO_MAX },
      note: 'reference: zstd -d; ours checks every digest',
    }),
    rowOf({
      name: 'the same, encrypted',
      unit: 'ms',
      samples: sealed.map(({ restoreMs }) => restoreMs),
      reference,
    }),
  ];
}

function s3Rows({ overS3, peers }: Samples): readonly Row[] {
  const restic = peers.get('restic over S3') ?? [];
  return [
    rowOf({
      name: 'first publish over S3',
      unit: 'ms',
      samples: overS3.map(({ firstMs }) => firstMs),
      reference: restic.map(({ firstMs }) => firstMs),
      target: { of: 'ratio', atMost: S3_RATIO_MAX },
      note: 'reference: restic over the same server',
    }),
    rowOf({
      name: 'second publish over S3',
      unit: 'ms',
      samples: overS3.map(({ secondMs }) => secondMs),
      reference: restic.map(({ secondMs }) => secondMs),
      target: { of: 'ratio', atMost: S3_RATIO_MAX },
    }),
    rowOf({
      name: 'restore over S3',
      unit: 'ms',
      samples: overS3.map(({ restoreMs }) => restoreMs),
      reference: restic.map(({ restoreMs }) => restoreMs),
      target: { of: 'ratio', atMost: S3_RATIO_MAX },
    }),
    rowOf({
      name: 'requests of a first publish to S3',
      unit: 'requests',
      samples: overS3.map(({ firstRequests }) => firstRequests),
      target: { of: 'ours', atMost: REQUESTS_MAX },
    }),
  ];
}

/** A VM that comes back to where it was twice, with one page of forty changed meanwhile. */
function backRows({ overS3 }: Samples): readonly Row[] {
  return [
    rowOf({
      name: 'restore over S3 where it was before, bytes moved',
      unit: 'MB',
      samples: overS3.map(({ backMb }) => backMb),
      reference: overS3.map(({ bareMb }) => bareMb),
      target: { of: 'ratio', atMost: SECOND_RATIO_MAX },
      note: 'reference: the same package on a host that has nothing of it',
    }),
    rowOf({
      name: 'the same, time',
      unit: 'ms',
      samples: overS3.map(({ backMs }) => backMs),
      reference: overS3.map(({ bareMs }) => bareMs),
      note: 'of a server on the same machine: what the bytes saved take on a slower way comes to it',
    }),
  ];
}

/** The others as they are, for whoever wants to compare with one of them. */
function peerRows({ peers }: Samples): readonly Row[] {
  return [...peers].flatMap(([name, runs]) => [
    rowOf({ name: `  ${name}: first publish`, unit: 'ms', samples: runs.map(({ firstMs }) => firstMs) }),
    rowOf({ name: `  ${name}: second publish`, unit: 'ms', samples: runs.map(({ secondMs }) => secondMs) }),
    rowOf({ name: `  ${name}: restore`, unit: 'ms', samples: runs.map(({ restoreMs }) => restoreMs) }),
  ]);
}

/** The tool whose median is least, and its samples. */
function best(
  peers: Samples['peers'],
  figure: (run: PeerRun) => number,
): readonly [name: string, samples: readonly number[]] {
  const all = keepers.flatMap((name) => {
    const samples = (peers.get(name) ?? []).map(figure);
    return samples.length === 0 ? [] : [[name, samples] as const];
  });
  const [least] = all.toSorted(([, a], [, b]) => median(a) - median(b));
  if (least === undefined) throw new RangeError('there are no peers to compare with');
  return least;
}
