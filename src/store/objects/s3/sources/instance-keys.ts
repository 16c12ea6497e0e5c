/**
 * The keys of a cloud machine's role, from its metadata service (IMDSv2): a token first, which a request that was tricked out of this program could not
 * ask for, then the role, then its keys. The older version without a token is never asked.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
 */
import { SECOND_MS } from '../../../../base/units.ts';
import type { Credentials } from '../credentials.ts';
import { isStoreTrouble } from '../../store-trouble.ts';
import { ask, serviceAt } from './ask.ts';
import type { SmallAnswer, SourceEnv } from './ask.ts';
import { noKeys, parseJson, parseKeys } from './temporary-keys.ts';

/** Short: on any other machine nobody answers, and everybody would wait for it. */
const INSTANCE_MS_MAX: number = SECOND_MS;
const TOKEN_SECONDS = 21_600;
const ADDRESS = 'http://169.254.169.254';
const ADDRESS_VARIABLE = 'AWS_EC2_METADATA_SERVICE_ENDPOINT';
const ROLES_PATH = '/latest/meta-data/iam/security-credentials/';
const what = 'this machine’s metadata service';

/** Null where there is no such service, or it is switched off, or the machine has no role. @throws StoreTrouble `no_credentials`, `unavailable`. */
export async function instanceKeys(env: SourceEnv): Promise<Credentials | null> {
  if (env.host.variable('AWS_EC2_METADATA_DISABLED')?.toLowerCase() === 'true') return null;
  const base = serviceAt(env, ADDRESS_VARIABLE, ADDRESS);
  const token = await askForToken(env, base);
  if (token === null) return null;
  const get = async (path: string): Promise<SmallAnswer> =>
    await ask(env, {
      ...{ method: 'GET', url: new URL(path, base), durationMs: INSTANCE_MS_MAX, what },
      headers: { 'x-aws-ec2-metadata-token': token },
    });
  const roles = await get(ROLES_PATH);
  if (roles.status === 404) return null;
  const [role = ''] = roles.text.trim().split('\n');
  if (roles.status !== 200 || !/^[\w+=,.@-]{1,64}$/.test(role)) throw noKeys(`${what} names no role`);
  const answer = await get(`${ROLES_PATH}${role}`);
  if (answer.status !== 200)
    throw noKeys(`${what} refused the keys of its role with status ${answer.status}`);
  return parseKeys(parseJson(answer.text, what), what);
}

/** Null when nobody answers, unless a person has said that somebody does. */
async function askForToken(env: SourceEnv, base: URL): Promise<string | null> {
  try {
    const answer = await ask(env, {
      ...{ method: 'PUT', url: new URL('/latest/api/token', base), durationMs: INSTANCE_MS_MAX, what },
      headers: { 'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_SECONDS) },
    });
    return answer.status === 200 && /^[\x21-\x7e]{1,1024}$/.test(answer.text) ? answer.text : null;
  } catch (error) {
    const isNamed = (env.host.variable(ADDRESS_VARIABLE) ?? '') !== '';
    if (!isNamed && isStoreTrouble(error, 'unavailable')) return null;
    throw error;
  }
}
