/**
 * The services that give keys for a while, in one fake: a machine's metadata (IMDSv2 alone), a container's key service, the token service (STS), and single
 * sign-on. Strict: whatever is not asked as its documentation says is refused. The keys that it gives are numbered, so that a test sees which came.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { signatureFault } from './strict-s3/signature.ts';

interface Reply {
  readonly status: number;
  readonly body: string;
}

const INSTANCE_TOKEN = 'token-of-the-machine';
export const CONTAINER_TOKEN = 'token-of-the-container';
export const WEB_TOKEN = 'token-of-whoever-vouches';
export const SIGN_ON_TOKEN = 'token-of-the-sign-on';
export const ROLE_ARN = 'arn:aws:iam::123456789012:role/publisher';
/** Which keys may take the role. */
export const TRUSTED_KEYS = { accessKeyId: 'AKIASOURCE', secretAccessKey: 'source-secret' } as const;

export class StrictKeys {
  /** Every request, as `METHOD path`. */
  readonly requests: string[] = [];
  /** How long the keys that are given last. */
  lifeMs = 3_600_000;
  /** What is answered in place of keys; `silence`: nothing at all. */
  fault: Reply | 'silence' | null = null;
  given = 0;
  readonly #server = createServer((request, response) => {
    void this.#answer(request).then((reply) => {
      if (reply === null) return;
      response.writeHead(reply.status);
      response.end(reply.body);
    });
  });

  static async start(): Promise<StrictKeys> {
    const server = new StrictKeys();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get endpoint(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the fake does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage): Promise<Reply | null> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const body = Buffer.concat(chunks);
    const { method = '', url = '' } = request;
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    this.requests.push(`${method} ${url}`);
    if (this.fault !== null) return this.fault === 'silence' ? null : this.fault;
    if (url.startsWith('/latest/')) return this.#machine(method, url, headers);
    if (url === '/container/keys') return this.#container(method, headers);
    if (url.startsWith('/federation/credentials?')) return this.#signOn(method, url, headers);
    if (method === 'POST' && url === '/') return this.#role(headers, body);
    return refused(404);
  }

  #machine(method: string, url: string, headers: Readonly<Record<string, string>>): Reply {
    if (method === 'PUT' && url === '/latest/api/token') {
      const seconds = Number(headers['x-aws-ec2-metadata-token-ttl-seconds']);
      // As the service does: a request that came through a proxy is none of this machine's.
      if (headers['x-forwarded-for'] !== undefined) return refused(403);
      return seconds >= 1 && seconds <= 21_600 ? { status: 200, body: INSTANCE_TOKEN } : refused(400);
    }
    if (method !== 'GET' || headers['x-aws-ec2-metadata-token'] !== INSTANCE_TOKEN) return refused(401);
    if (url === '/latest/meta-data/iam/security-credentials/')
      return { status: 200, body: 'role-of-machine' };
    if (url !== '/latest/meta-data/iam/security-credentials/role-of-machine') return refused(404);
    return {
      status: 200,
      body: JSON.stringify({ Code: 'Success', Type: 'AWS-HMAC', ...this.#keys('Token') }),
    };
  }

  #container(method: string, headers: Readonly<Record<string, string>>): Reply {
    if (method !== 'GET' || headers['authorization'] !== CONTAINER_TOKEN) return refused(403);
    return { status: 200, body: JSON.stringify({ RoleArn: ROLE_ARN, ...this.#keys('Token') }) };
  }

  #signOn(method: string, url: string, headers: Readonly<Record<string, string>>): Reply {
    if (method !== 'GET' || headers['x-amz-sso_bearer_token'] !== SIGN_ON_TOKEN) return refused(401);
    const query = new URLSearchParams(url.slice(url.indexOf('?')));
    if (query.get('account_id') !== '123456789012' || query.get('role_name') !== 'Publisher')
      return refused(403);
    const keys = this.#keys('SessionToken');
    const roleCredentials = {
      accessKeyId: keys['AccessKeyId'],
      secretAccessKey: keys['SecretAccessKey'],
      sessionToken: keys['SessionToken'],
      expiration: Date.now() + this.lifeMs,
    };
    return { status: 200, body: JSON.stringify({ roleCredentials }) };
  }

  #role(headers: Readonly<Record<string, string>>, body: Buffer): Reply {
    const form = new URLSearchParams(body.toString());
    const action = form.get('Action') ?? '';
    const isForm = headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
    if (!isForm || form.get('Version') !== '2011-06-15' || form.get('RoleArn') !== ROLE_ARN)
      return stsError('ValidationError');
    if (!/^[\w+=,.@-]{2,64}$/.test(form.get('RoleSessionName') ?? '')) return stsError('ValidationError');
    if (action === 'AssumeRoleWithWebIdentity') {
      // Whoever has no keys yet signs nothing.
      if (headers['authorization'] !== undefined) return stsError('InvalidAction');
      if (form.get('WebIdentityToken') !== WEB_TOKEN) return stsError('InvalidIdentityToken');
    } else if (action === 'AssumeRole') {
      const request = { method: 'POST', url: '/', headers, body: new Uint8Array(body) };
      const fault = signatureFault(request, TRUSTED_KEYS, 'eu-central-1', 'sts');
      if (fault !== null) return stsError(fault.code);
      if (form.get('ExternalId') !== 'team-7') return stsError('AccessDenied');
    } else return stsError('InvalidAction');
    const keys = Object.entries(this.#keys('SessionToken')).map(
      ([name, value]) => `<${name}>${value}</${name}>`,
    );
    const result = `<${action}Result><Credentials>${keys.join('')}</Credentials></${action}Result>`;
    return {
      status: 200,
      body: `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</${action}Response>`,
    };
  }

  #keys(tokenName: 'Token' | 'SessionToken'): Readonly<Record<string, string>> {
    this.given += 1;
    return {
      AccessKeyId: `ASIA${this.given}`,
      SecretAccessKey: `secret-${this.given}`,
      [tokenName]: `session-${this.given}`,
      Expiration: new Date(Date.now() + this.lifeMs).toISOString(),
    };
  }
}

function refused(status: number): Reply {
  return { status, body: 'refused' };
}

function stsError(code: string): Reply {
  const body = `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>said nothing</Message></Error></ErrorResponse>`;
  return { status: 403, body };
}
