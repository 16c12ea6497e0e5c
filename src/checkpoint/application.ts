/** What an application says of itself, so that it can go on in another VM: a manifest in its guest, or the flags of whoever asks. */
import { z } from 'zod';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { KelpieError } from '../base/errors.ts';
import { reasonOf } from '../snapshot/metadata-codec.ts';
import { isPlain } from './entry-rules.ts';
import {
  APPLICATIONS_MAX,
  ENVIRONMENT_NAMES_MAX,
  HOOK_TIMEOUT_MS_DEFAULT,
  HOOK_TIMEOUT_MS_MAX,
  HOOK_TIMEOUT_MS_MIN,
  WORKSPACE_PATHS_MAX,
  WORKSPACE_PATH_BYTES_MAX,
} from './limits.ts';

export interface Application {
  readonly name: string;
  /** Absolute paths of folders and files that go along; none of them in another. */
  readonly workspace: readonly string[];
  /** Writes the application's state to its standard output; ends when the workspace is as it should be read. */
  readonly save: readonly string[] | null;
  /** Reads that state from its standard input, and leaves the application running. */
  readonly reload: readonly string[] | null;
  /** Variables of the process in `pidFile` that `reload` gets. */
  readonly environment: readonly string[];
  readonly pidFile: string | null;
  /** As whom both commands run; null: root. */
  readonly user: string | null;
  /** For each of the commands. */
  readonly timeoutMs: number;
}

/** The kernel's, or gone with the next boot. */
const unmovableFolders = ['proc', 'sys', 'dev', 'run'];

const plainPath = z
  .string()
  .refine((text) => text.startsWith('/'), 'must begin with /')
  .refine((text) => isPlain(text.slice(1)), 'must be a plain path, without // or .. and not / itself')
  .refine((text) => utf8(text).byteLength <= WORKSPACE_PATH_BYTES_MAX, 'is too long');
const workspacePath = plainPath.refine(
  (text) => !unmovableFolders.includes(text.split('/')[1] ?? ''),
  'must not be in /proc, /sys, /dev or /run, which do not move',
);
const word = z
  .string()
  .max(4096)
  .refine((text) => !text.includes('\0'), 'must not have a NUL');
const argv = z.array(word).min(1).max(64);

export const applicationSchema: z.ZodType<Application> = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be of a-z, 0-9 and -'),
    workspace: z.array(workspacePath).max(WORKSPACE_PATHS_MAX).default([]),
    save: argv.nullable().default(null),
    reload: argv.nullable().default(null),
    environment: z
      .array(z.string().regex(/^[A-Za-z_]\w{0,254}$/, 'must be names of variables'))
      .max(ENVIRONMENT_NAMES_MAX)
      .default([]),
    pidFile: plainPath.nullable().default(null),
    user: word.min(1).max(64).nullable().default(null),
    timeoutMs: z.int().min(HOOK_TIMEOUT_MS_MIN).max(HOOK_TIMEOUT_MS_MAX).default(HOOK_TIMEOUT_MS_DEFAULT),
  })
  .refine(
    ({ workspace, save }) => workspace.length > 0 || save !== null,
    'has neither a workspace nor a command that writes its state',
  )
  .refine(
    ({ environment, pidFile }) => environment.length === 0 || pidFile !== null,
    'keeps variables, and has no pidFile that names the process whose they are',
  );

/** What somebody asks for in the place of manifests. @throws KelpieError `checkpoint_invalid`. */
export function askedApplication(asked: unknown): Application {
  return checked(asked, 'what is asked for');
}

/** @param what for the sentence: `/etc/kelpie/checkpoint.d/agent.json`. @throws KelpieError `checkpoint_invalid`. */
export function parseApplication(bytes: Bytes, what: string): Application {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (error) {
    throw invalid(what, 'it is not JSON', error);
  }
  return checked(value, what);
}

function checked(value: unknown, what: string): Application {
  const parsed = applicationSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw invalid(what, reasonOf(parsed.error), parsed.error);
}

function invalid(what: string, why: string, cause: unknown): KelpieError {
  return new KelpieError('checkpoint_invalid', `${what} cannot be used: ${why}.`, { cause });
}

/** @throws KelpieError `checkpoint_invalid` for none, too many, and two of one name. */
export function requireApplications(applications: readonly Application[]): void {
  const names = applications.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new KelpieError('checkpoint_invalid', `two applications are named "${twice}".`);
  if (applications.length <= APPLICATIONS_MAX) return;
  throw new KelpieError('checkpoint_invalid', `there are more than ${APPLICATIONS_MAX} applications.`);
}

/** All that goes along: the paths of all applications, without those that lie in another. */
export function workspaceRoots(applications: readonly Pick<Application, 'workspace'>[]): readonly string[] {
  const all = [...new Set(applications.flatMap(({ workspace }) => workspace))];
  return all.filter((path) => !all.some((other) => path.startsWith(`${other}/`))).toSorted();
}
