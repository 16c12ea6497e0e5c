/**
 * The keys of a role, from the security token service (STS): by keys that may take the role, or by a token of whoever vouches for this process
 * (Kubernetes, a build service). https://docs.aws.amazon.com/STS/latest/APIReference/
 */
import { utf8 } from '../../../../base/bytes.ts';
import { SECOND_MS } from '../../../../base/units.ts';
import type { Credentials } from '../credentials.ts';
import { Signer } from '../sign-request.ts';
import { XmlError, childOf, parseXml, textOf } from '../xml.ts';
import type { XmlElement } from '../xml.ts';
import { ask, serviceAt } from './ask.ts';
import type { SmallAnswer, SourceEnv } from './ask.ts';
import { readToken } from './read-token.ts';
import { noKeys, parseKeys } from './temporary-keys.ts';

const ROLE_MS_MAX: number = 15 * SECOND_MS;
const API_VERSION = '2011-06-15';

export interface Role {
  readonly arn: string;
  readonly region: string;
  /** Of the profile; null for one of ours. */
  readonly sessionName: string | null;
  readonly externalId?: string | undefined;
  readonly durationSeconds?: string | undefined;
}

/** @throws StoreTrouble `no_credentials`, `unavailable`. */
export async function keysOfRole(env: SourceEnv, role: Role, by: Credentials): Promise<Credentials> {
  const form = formOf('AssumeRole', env, role);
  if (role.externalId !== undefined) form.set('ExternalId', role.externalId);
  const body = form.toString();
  const url = stsUrl(env, role.region);
  const signed = new Signer(env.compute, 'sts').sign(
    {
      ...{ method: 'POST', path: '/', query: {} },
      headers: { ...formType, host: url.host },
      bodySha256: env.compute.sha256(utf8(body)),
    },
    by,
    role.region,
    env.clock.wallMs(),
  );
  const answer = await ask(env, {
    method: 'POST',
    url,
    headers: signed,
    body,
    durationMs: ROLE_MS_MAX,
    what: whatOf(url),
  });
  return keysIn(answer, 'AssumeRole', url);
}

/** @param tokenFile read anew each time: whoever vouches replaces it. @throws StoreTrouble `no_credentials`, `unavailable`. */
export async function keysByToken(env: SourceEnv, role: Role, tokenFile: string): Promise<Credentials> {
  const form = formOf('AssumeRoleWithWebIdentity', env, role);
  form.set('WebIdentityToken', await readToken(env.files, tokenFile));
  const url = stsUrl(env, role.region);
  const question = {
    method: 'POST',
    url,
    headers: formType,
    durationMs: ROLE_MS_MAX,
    what: whatOf(url),
  } as const;
  return keysIn(await ask(env, { ...question, body: form.toString() }), 'AssumeRoleWithWebIdentity', url);
}

const formType = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' } as const;

function formOf(action: string, { host }: SourceEnv, role: Role): URLSearchParams {
  return new URLSearchParams({
    Action: action,
    Version: API_VERSION,
    RoleArn: role.arn,
    RoleSessionName: role.sessionName ?? `kelpie-${host.pid}`,
    ...(role.durationSeconds === undefined ? {} : { DurationSeconds: role.durationSeconds }),
  });
}

function stsUrl(env: SourceEnv, region: string): URL {
  return new URL('/', serviceAt(env, 'AWS_ENDPOINT_URL_STS', `https://sts.${region}.amazonaws.com`));
}

function whatOf(url: URL): string {
  return `the role service ${url.host}`;
}

function keysIn({ status, text }: SmallAnswer, action: string, url: URL): Credentials {
  const what = whatOf(url);
  const root = elementOf(text, what);
  if (status !== 200) {
    const error = childOf(root, 'Error') ?? root;
    // The code alone: the message may repeat what was sent.
    const code = /^[\w.]{1,64}$/.exec(textOf(error, 'Code'))?.[0] ?? `status ${status}`;
    throw noKeys(`${what} refused the role (${code})`);
  }
  const result = childOf(root, `${action}Result`);
  const keys = result === undefined ? undefined : childOf(result, 'Credentials');
  return parseKeys(
    Object.fromEntries((keys?.children ?? []).map(({ name, text: value }) => [name, value])),
    what,
  );
}

function elementOf(text: string, what: string): XmlElement {
  try {
    return parseXml(text);
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
    throw noKeys(`${what} gave something that is not XML`, error);
  }
}
