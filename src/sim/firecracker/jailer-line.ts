/** The jailer's command line as it reads it, with its texts; the stand-in's and the simulated one have these. */
import { ArgumentError, instanceIdFault, parseCommandLine } from './command-line.ts';
import type { CommandLine, Options } from './command-line.ts';

const options: Options = {
  id: { takesValue: true, isRequired: true },
  'exec-file': { takesValue: true, isRequired: true },
  uid: { takesValue: true, isRequired: true },
  gid: { takesValue: true, isRequired: true },
  'chroot-base-dir': { takesValue: true, byDefault: '/srv/jailer' },
  netns: { takesValue: true },
  daemonize: {},
  'new-pid-ns': {},
  cgroup: { takesValue: true, isRepeatable: true },
  'resource-limit': { takesValue: true, isRepeatable: true },
  'cgroup-version': { takesValue: true, byDefault: '1' },
  'parent-cgroup': { takesValue: true },
  version: {},
};

const ID_MAX = 2 ** 32 - 1;
const cgroupVersions = ['1', '2'] as const;
/** The limits of `--resource-limit`. */
const limits = ['fsize', 'no-file'] as const;

/** Folders of every jail, which its user owns; the first is the jail itself. */
export const jailFolders: readonly string[] = ['.', 'dev', 'dev/net', 'run'];
/** Devices of every jail, by major and minor number. */
export const jailNodes: readonly (readonly [path: string, major: number, minor: number])[] = [
  ['dev/net/tun', 10, 200],
  ['dev/kvm', 10, 232],
  ['dev/urandom', 1, 9],
];

/** The jailer's process ends with it. */
export class JailerError extends Error {
  override readonly name = 'JailerError';
}

export interface CgroupSetting {
  readonly file: string;
  readonly value: string;
}

/** What is asked of a jailer, as far as its words alone can be judged. Paths are as they were given. */
export interface JailRequest {
  readonly id: string;
  readonly execFile: string;
  readonly base: string;
  readonly uid: number;
  readonly gid: number;
  readonly netns: string | null;
  readonly cgroupVersion: (typeof cgroupVersions)[number];
  /** Null: the program's name. */
  readonly parentCgroup: string | null;
  readonly cgroups: readonly CgroupSetting[];
  readonly limits: readonly { readonly name: (typeof limits)[number]; readonly value: number }[];
  readonly isDaemon: boolean;
  readonly hasPidNamespace: boolean;
  /** Firecracker's own. */
  readonly rest: readonly string[];
}

/** @returns null for a question, which is answered with the version. @throws ArgumentError, JailerError. */
export function readJailRequest(args: readonly string[]): JailRequest | null {
  const line = parseCommandLine(args, options);
  if (line.has('version') || line.has('help')) return null;
  const id = line.value('id') ?? '';
  const fault = instanceIdFault(id);
  if (fault !== null) throw new JailerError(`Invalid instance ID: ${fault}`);
  return {
    id,
    execFile: line.value('exec-file') ?? '',
    base: line.value('chroot-base-dir') ?? '',
    uid: readId(line, 'uid'),
    gid: readId(line, 'gid'),
    netns: line.value('netns'),
    ...readCgroups(line),
    limits: line.values('resource-limit').map(readLimit),
    isDaemon: line.has('daemonize'),
    hasPidNamespace: line.has('new-pid-ns'),
    rest: line.rest,
  };
}

/** Firecracker's words in the jail. @param nowUs when the jailer began. */
export function jailedWords({ id, rest }: JailRequest, nowUs: number): readonly string[] {
  return [
    ...['--id', id, '--start-time-us', String(nowUs)],
    ...['--start-time-cpu-us', '0', '--parent-cpu-time-us', '0', ...rest],
  ];
}

/** What a jailer says of an error that it ends with; null for one that is none of its own. */
export function jailerComplaint(error: unknown): string | null {
  if (error instanceof ArgumentError) return `Failed to parse arguments: ${error.message}`;
  return error instanceof JailerError ? error.message : null;
}

function readId(line: CommandLine, name: 'uid' | 'gid'): number {
  const value = line.value(name) ?? '';
  const isId = /^\d{1,10}$/.test(value) && Number(value) <= ID_MAX;
  if (!isId) throw new JailerError(`Invalid ${name}: ${value}`);
  return Number(value);
}

function readCgroups(line: CommandLine): Pick<JailRequest, 'cgroupVersion' | 'parentCgroup' | 'cgroups'> {
  const given = line.value('cgroup-version') ?? '';
  const cgroupVersion = cgroupVersions.find((version) => version === given);
  if (cgroupVersion === undefined) throw new JailerError(`${given} is an invalid cgroup version specifier`);
  const parentCgroup = line.value('parent-cgroup');
  if (parentCgroup?.startsWith('/') === true || /(?:^|\/)\.\.?(?:\/|$)/.test(parentCgroup ?? '')) {
    throw new JailerError(
      "Parent cgroup path is invalid. Path should not be absolute or contain '..' or '.'",
    );
  }
  return { cgroupVersion, parentCgroup, cgroups: line.values('cgroup').map(readCgroup) };
}

function readCgroup(setting: string): CgroupSetting {
  const [file = '', value = '', ...more] = setting.split('=');
  if (value === '' || more.length > 0) throw new JailerError(`Invalid format for cgroups: ${setting}`);
  if (file.startsWith('/') || file.split('/').includes('..'))
    throw new JailerError(`Cgroup invalid file: ${setting}`);
  return { file, value };
}

function readLimit(limit: string): JailRequest['limits'][number] {
  const [word = '', value] = limit.split('=');
  if (value === undefined) throw new JailerError(`Invalid format for resources limits: ${limit}`);
  if (!/^\d{1,15}$/.test(value))
    throw new JailerError(`Invalid limit value for resource: ${value}: invalid digit found in string`);
  const name = limits.find((known) => known === word);
  if (name === undefined) throw new JailerError(`Invalid resource argument: ${word}`);
  return { name, value: Number(value) };
}
