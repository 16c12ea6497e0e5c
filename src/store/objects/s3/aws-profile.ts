import { fromUtf8 } from '../../../base/bytes.ts';
import { KelpieError } from '../../../base/errors.ts';
import { MIB } from '../../../base/units.ts';
import type { Env } from '../../../env/env.ts';
import { SystemError, isSystemError } from '../../../env/system-error.ts';
import { parseIni } from './ini-file.ts';

const PROFILE_FILE_BYTES_MAX: number = MIB;

/** The settings of a person for AWS tools: those of one profile in `~/.aws/config` and `~/.aws/credentials`. */
export type AwsProfile = ReadonlyMap<string, string>;

export function profileName(host: Env['host']): string {
  return host.variable('AWS_PROFILE') ?? 'default';
}

/** Where `AWS_PROFILE`, `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE` say; a file that is not there has nothing. @throws KelpieError `io_failed`. */
export async function readAwsProfile(
  env: Pick<Env, 'files' | 'host'>,
  name: string = profileName(env.host),
): Promise<AwsProfile> {
  const { host } = env;
  const config = await readSection(env, configPath(host), name);
  const keys = await readSection(env, keysPath(host), name);
  return new Map([...config, ...keys]);
}

/** What several profiles share that sign on in one place: `[sso-session NAME]` of the configuration. @throws KelpieError `io_failed`. */
export async function readSignOnSession(env: Pick<Env, 'files' | 'host'>, name: string): Promise<AwsProfile> {
  return await readSection(env, configPath(env.host), `sso-session ${name}`);
}

function keysPath(host: Env['host']): string {
  return host.variable('AWS_SHARED_CREDENTIALS_FILE') ?? `${host.homeDirectory}/.aws/credentials`;
}

function configPath(host: Env['host']): string {
  return host.variable('AWS_CONFIG_FILE') ?? `${host.homeDirectory}/.aws/config`;
}

/** All that a person has written down for AWS tools: whoever keeps what follows from it sees by it that it was changed. @throws KelpieError `io_failed`. */
export async function readAwsFiles(env: Pick<Env, 'files' | 'host'>): Promise<string> {
  return `${await readText(env, configPath(env.host))}\n${await readText(env, keysPath(env.host))}`;
}

async function readSection(
  env: Pick<Env, 'files' | 'host'>,
  path: string,
  name: string,
): Promise<AwsProfile> {
  return parseIni(await readText(env, path)).get(name) ?? new Map();
}

/** Empty for a file that is not there. */
async function readText(env: Pick<Env, 'files' | 'host'>, path: string): Promise<string> {
  const absolute = path.startsWith('/') ? path : `${env.host.currentDirectory}/${path}`;
  try {
    return fromUtf8(await env.files.readFile(absolute, PROFILE_FILE_BYTES_MAX));
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return '';
    if (!(error instanceof SystemError) && !(error instanceof TypeError)) throw error;
    throw new KelpieError('io_failed', `cannot read the settings for AWS in ${absolute}: ${error.message}.`, {
      cause: error,
    });
  }
}
