/**
 * The tools that a person would take instead, each as it comes, with the settings that are fastest for memory images: zstd level 1
 * where there is a choice. They see one file, `memory`, which holds image A, and then image B.
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { folderMb, runCommand, timeCommand } from './command.ts';
import type { MemoryImages } from './memory-images.ts';

export type PeerName = 'restic' | 'borg' | 'casync' | 'rclone' | 'restic over S3' | 'rclone over S3';

export interface PeerRun {
  readonly firstMs: number;
  readonly firstMb: number;
  readonly secondMs: number;
  /** What the second publish added to the store. */
  readonly secondMb: number;
  /** Of image A. */
  readonly restoreMs: number;
}

export interface S3Place {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

interface Peer {
  readonly name: PeerName;
  readonly variables: Readonly<Record<string, string>>;
  readonly store: string;
  /** Makes an empty store. */
  readonly begin: readonly string[] | null;
  readonly publish: (generation: 'a' | 'b') => readonly string[];
  readonly restore: (target: string) => readonly string[];
  /** What `restore` makes of image A, in `target`. */
  readonly restored: (target: string) => string;
}

const programs: Readonly<Record<string, readonly string[]>> = {
  zstd: ['--version'],
  restic: ['version'],
  borg: ['--version'],
  casync: ['--version'],
  rclone: ['version'],
};

/** First line that each says of its version. @throws Error when one is missing. */
export async function peerVersions(): Promise<readonly string[]> {
  return await Promise.all(
    Object.entries(programs).map(async ([program, args]) => {
      const [line = ''] = (await runCommand(program, args)).split('\n');
      return line.replaceAll('*', '').trim();
    }),
  );
}

export function localPeers(directory: string): readonly Peer[] {
  return [
    restic(join(directory, 'restic')),
    borg(directory),
    casync(directory),
    rclone(join(directory, 'rclone')),
  ];
}

export function s3Peers(place: S3Place, directory: string): readonly Peer[] {
  const { endpoint, bucket, accessKeyId, secretAccessKey } = place;
  // A bundle of certificates that the user's own programs need stops rclone, and there is no TLS here.
  const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_CA_BUNDLE: '' };
  const overS3 = restic(join(directory, 'restic-s3'), `s3:${endpoint}/${bucket}/restic`);
  const remote = `:s3,provider=Ceph,env_auth=true,endpoint='${endpoint}':${bucket}/rclone`;
  const copied = rclone(join(directory, 'rclone-s3'), remote);
  return [
    { ...overS3, name: 'restic over S3', variables: { ...overS3.variables, ...keys } },
    { ...copied, name: 'rclone over S3', variables: { ...copied.variables, ...keys } },
  ];
}

/** Publishes A, then B, and restores A. The restored bytes are compared. */
export async function runPeer(peer: Peer, images: MemoryImages, directory: string): Promise<PeerRun> {
  const { variables, store } = peer;
  const source = join(directory, 'source');
  const target = join(directory, 'target');
  for (const path of [store, source, target]) rmSync(path, { recursive: true, force: true });
  mkdirSync(source);
  mkdirSync(target);
  mkdirSync(store);
  const run = async ([program = '', ...args]: readonly string[]): Promise<number> =>
    await timeCommand(program, args, { cwd: source, variables });
  if (peer.begin !== null) await run(peer.begin);
  copyFileSync(images.a, join(source, 'memory'));
  const firstMs = await run(peer.publish('a'));
  const firstMb = folderMb(store);
  copyFileSync(images.b, join(source, 'memory'));
  const secondMs = await run(peer.publish('b'));
  const secondMb = folderMb(store) - firstMb;
  const restoreMs = await run(peer.restore(target));
  requireEqual(peer.restored(target), images.a, peer.name);
  for (const path of [store, source, target]) rmSync(path, { recursive: true, force: true });
  return { firstMs, firstMb, secondMs, secondMb, restoreMs };
}

function restic(cache: string, repository = cache): Peer {
  return {
    name: 'restic',
    variables: { RESTIC_PASSWORD: 'benchmark', RESTIC_REPOSITORY: repository },
    store: cache,
    begin: ['restic', 'init', '--no-cache', '-q'],
    publish: (generation) => [
      'restic',
      'backup',
      '--no-cache',
      '-q',
      '--force',
      '--tag',
      generation,
      'memory',
    ],
    restore: (target) => [
      'restic',
      'restore',
      '--no-cache',
      '-q',
      '--tag',
      'a',
      'latest',
      '--target',
      target,
    ],
    restored: (target) => join(target, 'memory'),
  };
}

function borg(directory: string): Peer {
  const store = join(directory, 'borg');
  return {
    name: 'borg',
    variables: {
      BORG_REPO: store,
      BORG_PASSPHRASE: 'benchmark',
      BORG_BASE_DIR: join(directory, 'borg-base'),
      BORG_RELOCATED_REPO_ACCESS_IS_OK: 'yes',
      BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
    },
    store,
    begin: ['borg', 'init', '--encryption', 'repokey-blake2'],
    publish: (generation) => ['borg', 'create', '--compression', 'zstd,1', `::${generation}`, 'memory'],
    restore: (target) => ['sh', '-c', `cd ${target} && borg extract ::a`],
    restored: (target) => join(target, 'memory'),
  };
}

function casync(directory: string): Peer {
  const store = join(directory, 'casync');
  const chunks = `--store=${join(store, 'chunks.castr')}`;
  const index = (generation: string): string => join(store, `${generation}.caibx`);
  return {
    name: 'casync',
    variables: {},
    store,
    begin: null,
    publish: (generation) => ['casync', 'make', chunks, '--compression=zstd', index(generation), 'memory'],
    restore: (target) => ['casync', 'extract', chunks, index('a'), join(target, 'memory')],
    restored: (target) => join(target, 'memory'),
  };
}

/** Copies whole files: what a person does without any of these. It keeps no A beside B, so each goes to a name of its own. */
function rclone(store: string, remote = store): Peer {
  return {
    name: 'rclone',
    variables: { RCLONE_CONFIG: '/dev/null' },
    store,
    begin: null,
    publish: (generation) => [
      'rclone',
      'copyto',
      '-q',
      '--ignore-times',
      'memory',
      `${remote}/${generation}`,
    ],
    restore: (target) => ['rclone', 'copyto', '-q', `${remote}/a`, join(target, 'memory')],
    restored: (target) => join(target, 'memory'),
  };
}

/** @throws Error when a tool gave other bytes back: its figures would be worth nothing. */
export function requireEqual(restored: string, original: string, who: string): void {
  if (digestOf(restored) !== digestOf(original))
    throw new Error(`${who} restored other bytes than it was given`);
}

function digestOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** `zstd -1 -T0` of a file and back: what compressing costs, without keeping anything. */
export async function zstdRun(
  image: string,
  directory: string,
): Promise<{ readonly compressMs: number; readonly decompressMs: number }> {
  const packed = join(directory, 'memory.zst');
  const unpacked = join(directory, 'memory.raw');
  const compressMs = await timeCommand('zstd', ['-1', '-T0', '-q', '-f', image, '-o', packed]);
  const decompressMs = await timeCommand('zstd', ['-d', '-q', '-f', packed, '-o', unpacked]);
  for (const path of [packed, unpacked]) rmSync(path);
  return { compressMs, decompressMs };
}
