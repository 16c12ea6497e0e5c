/**
 * The keys of a container's role (ECS, EKS): a service beside the container, which two variables name. Its address may be the container's own
 * network only, as in the SDKs, so that nobody who sets a variable has a token sent to a place of theirs.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 */
import { SECOND_MS } from '../../../../base/units.ts';
import type { Credentials } from '../credentials.ts';
import { serviceUrl } from '../endpoint.ts';
import { ask } from './ask.ts';
import type { SourceEnv } from './ask.ts';
import { readToken } from './read-token.ts';
import { noKeys, parseJson, parseKeys } from './temporary-keys.ts';

const CONTAINER_MS_MAX: number = 5 * SECOND_MS;
const ECS_ADDRESS = 'http://169.254.170.2';
/** ECS, EKS by IPv4 and by IPv6, and this machine itself. */
const plainHosts: readonly string[] = [
  '169.254.170.2',
  '169.254.170.23',
  '[fd00:ec2::23]',
  'localhost',
  '[::1]',
];
const what = 'the container’s key service';

/** Null where no variable names one. @throws StoreTrouble `no_credentials`, `unavailable`. */
export async function containerKeys(env: SourceEnv): Promise<Credentials | null> {
  const url = containerUrl(env);
  if (url === null) return null;
  const token = await tokenOf(env);
  const headers = token === null ? {} : { authorization: token };
  const answer = await ask(env, { method: 'GET', url, headers, durationMs: CONTAINER_MS_MAX, what });
  if (answer.status !== 200) throw noKeys(`${what} refused them with status ${answer.status}`);
  return parseKeys(parseJson(answer.text, what), what);
}

function containerUrl({ host }: SourceEnv): URL | null {
  const relative = host.variable('AWS_CONTAINER_CREDENTIALS_RELATIVE_URI') ?? '';
  const full = host.variable('AWS_CONTAINER_CREDENTIALS_FULL_URI') ?? '';
  if (relative === '' && full === '') return null;
  const url = serviceUrl(relative === '' ? full : `${ECS_ADDRESS}${relative}`);
  if (url === null) throw noKeys('the address of the container’s key service is not one');
  const isNear = plainHosts.includes(url.hostname) || /^127\.\d+\.\d+\.\d+$/.test(url.hostname);
  if (url.protocol === 'https:' || isNear) return url;
  throw noKeys(
    `AWS_CONTAINER_CREDENTIALS_FULL_URI names ${url.host}, which is neither this machine nor https`,
  );
}

async function tokenOf({ host, files }: SourceEnv): Promise<string | null> {
  const path = host.variable('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE') ?? '';
  const token =
    path === '' ? host.variable('AWS_CONTAINER_AUTHORIZATION_TOKEN') : await readToken(files, path);
  if (token === null || token === '') return null;
  // A line feed would be a header of its own.
  if (/^[\x20-\x7e]+$/.test(token)) return token;
  throw noKeys('the token for the container’s key service is not one');
}
