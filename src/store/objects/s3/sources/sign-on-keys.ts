/**
 * Keys by single sign-on (IAM Identity Center): the token that `aws sso login` has left on this host buys the keys of a role. This program signs nobody in.
 * https://docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html
 */
import { z } from 'zod';
import { parseJsonOrNull } from '../../../../base/json.ts';
import { SECOND_MS } from '../../../../base/units.ts';
import { isSystemError } from '../../../../env/system-error.ts';
import type { AwsProfile } from '../aws-profile.ts';
import { parseIsoTime } from '../civil-time.ts';
import type { Credentials } from '../credentials.ts';
import { isRegion } from '../region.ts';
import { ask, serviceAt } from './ask.ts';
import type { SourceEnv } from './ask.ts';
import { readToken } from './read-token.ts';
import { noKeys, parseJson } from './temporary-keys.ts';

const SIGN_ON_MS_MAX: number = 15 * SECOND_MS;
/** More logins than anybody has. */
const TOKEN_FILES_MAX = 100;
const what = 'the sign-on service';

const tokenSchema = z.object({
  startUrl: z.string(),
  accessToken: z.string().regex(/^[\x21-\x7e]{1,16384}$/),
  expiresAt: z.string(),
});
const answerSchema = z.object({
  roleCredentials: z.object({
    accessKeyId: z.string().min(1),
    secretAccessKey: z.string().min(1),
    sessionToken: z.string().min(1),
    expiration: z.int(),
  }),
});

/** @param session the settings of the profile's `sso_session`, or the profile's own. @throws StoreTrouble `no_credentials`, `unavailable`. */
export async function signOnKeys(
  env: SourceEnv,
  profile: AwsProfile,
  session: AwsProfile,
): Promise<Credentials> {
  const [startUrl, region] = [session.get('sso_start_url') ?? '', session.get('sso_region') ?? ''];
  const [account, role] = [profile.get('sso_account_id') ?? '', profile.get('sso_role_name') ?? ''];
  if (startUrl === '' || !isRegion(region) || account === '' || role === '')
    throw noKeys(
      'the profile’s single sign-on lacks sso_start_url, sso_region, sso_account_id or sso_role_name',
    );
  const token = await findToken(env, startUrl);
  const base = serviceAt(env, 'AWS_ENDPOINT_URL_SSO', `https://portal.sso.${region}.amazonaws.com`);
  const url = new URL('/federation/credentials', base);
  url.search = new URLSearchParams({ account_id: account, role_name: role }).toString();
  const headers = { 'x-amz-sso_bearer_token': token };
  const answer = await ask(env, { method: 'GET', url, headers, durationMs: SIGN_ON_MS_MAX, what });
  if (answer.status === 401) throw signedOut();
  if (answer.status !== 200) throw noKeys(`${what} refused the role ${role} with status ${answer.status}`);
  const parsed = answerSchema.safeParse(parseJson(answer.text, what));
  if (!parsed.success) throw noKeys(`${what} gave something that is not keys`);
  const { expiration, ...keys } = parsed.data.roleCredentials;
  return { ...keys, expiresAtMs: expiration };
}

/** The files are named by SHA-1; what is in them says which is meant. */
async function findToken(env: SourceEnv, startUrl: string): Promise<string> {
  const directory = `${env.host.homeDirectory}/.aws/sso/cache`;
  for (const name of (await listTokens(env, directory)).slice(0, TOKEN_FILES_MAX)) {
    // Other programs keep other things there.
    const parsed = tokenSchema.safeParse(parseJsonOrNull(await readToken(env.files, `${directory}/${name}`)));
    if (!parsed.success || parsed.data.startUrl !== startUrl) continue;
    const expiresMs = parseIsoTime(parsed.data.expiresAt.replace(/UTC$/, 'Z'));
    if (expiresMs !== null && expiresMs > env.clock.wallMs()) return parsed.data.accessToken;
  }
  throw signedOut();
}

async function listTokens({ files }: SourceEnv, directory: string): Promise<readonly string[]> {
  try {
    return (await files.list(directory)).filter((name) => name.endsWith('.json'));
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return [];
    throw error;
  }
}

function signedOut(): Error {
  return noKeys('the single sign-on has run out: run aws sso login');
}
