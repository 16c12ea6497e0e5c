/** Keys from each place of the chain, asked of strict fakes of the services. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import {
  CONTAINER_TOKEN,
  ROLE_ARN,
  SIGN_ON_TOKEN,
  StrictKeys,
  TRUSTED_KEYS,
  WEB_TOKEN,
} from '../../../../test/support/strict-keys.ts';
import { createNodeEnv } from '../../../env/node/env.ts';
import type { Env } from '../../../env/env.ts';
import { isStoreTrouble } from '../store-trouble.ts';
import type { TroubleKind } from '../store-trouble.ts';
import { CredentialSource } from './credentials.ts';

interface World {
  readonly server: StrictKeys;
  /** Home of a person. */
  readonly home: string;
  /** `~/.aws/config`. */
  readonly config: (text: string) => Promise<void>;
  readonly file: (name: string, text: string) => Promise<string>;
  readonly env: (variables?: Readonly<Record<string, string>>, change?: Partial<Env>) => Env;
  readonly source: (variables?: Readonly<Record<string, string>>, change?: Partial<Env>) => CredentialSource;
}

async function withWorld(act: (world: World) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'kelpie-keys-'));
  const server = await StrictKeys.start();
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(home, name), text);
    return join(home, name);
  };
  await mkdir(join(home, '.aws/sso/cache'), { recursive: true });
  const environment: World['env'] = (variables = {}, change = {}) => {
    const all = { HOME: home, AWS_EC2_METADATA_DISABLED: 'true', AWS_REGION: 'eu-central-1', ...variables };
    const env = createNodeEnv({ variables: { ...all, PATH: process.env['PATH'] } });
    const homed = { ...env, host: { ...env.host, homeDirectory: home } };
    return { ...homed, ...change };
  };
  const source: World['source'] = (variables, change) => new CredentialSource(environment(variables, change));
  try {
    await act({
      server,
      home,
      file,
      env: environment,
      source,
      config: async (text) => void (await file('.aws/config', text)),
    });
  } finally {
    await server.close();
    await rm(home, { recursive: true });
  }
}

async function keyOf(source: CredentialSource): Promise<string> {
  return (await source.current()).accessKeyId;
}

async function troubles(source: CredentialSource, kind: TroubleKind, words: RegExp): Promise<void> {
  await assert.rejects(source.current(), (error) => {
    assert.ok(isStoreTrouble(error, kind), inspect(error));
    assert.match(error.message, words);
    assert.match(error.message, /^[^\n]{10,400}\.$/, 'the message is a sentence');
    assert.doesNotMatch(inspect(error, { depth: 10, showHidden: true }), /secret-\d|token-of/);
    return true;
  });
}

const machine = ({ server }: World): Readonly<Record<string, string>> => ({
  AWS_EC2_METADATA_DISABLED: '',
  AWS_EC2_METADATA_SERVICE_ENDPOINT: server.endpoint,
});
const container = ({ server }: World): Readonly<Record<string, string>> => ({
  AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.endpoint}/container/keys`,
  AWS_CONTAINER_AUTHORIZATION_TOKEN: CONTAINER_TOKEN,
});

test('a machine’s role, by a token alone', async () => {
  await withWorld(async (world) => {
    const { server } = world;
    const keys = await world.source(machine(world)).current();
    assert.deepEqual(
      [keys.accessKeyId, keys.secretAccessKey, keys.sessionToken],
      ['ASIA1', 'secret-1', 'session-1'],
    );
    assert.ok((keys.expiresAtMs ?? 0) > Date.now());
    assert.equal(server.requests[0], 'PUT /latest/api/token');
    await troubles(
      world.source({ ...machine(world), AWS_EC2_METADATA_DISABLED: 'TRUE' }),
      'no_credentials',
      /AWS_ACCESS_KEY_ID/,
    );
    server.fault = { status: 503, body: '' };
    await troubles(world.source(machine(world)), 'unavailable', /metadata service.* does not answer/);
  });
});

test('a machine where nobody answers has no keys, unless somebody was said to', async () => {
  await withWorld(async (world) => {
    const { server } = world;
    const { http } = createNodeEnv();
    const nobody: Partial<Env> = {
      http: {
        ...http,
        request: async (request) => {
          assert.deepEqual(request.target.address, { kind: 'tcp', host: '169.254.169.254', port: 80 });
          const address = { kind: 'tcp', host: '127.0.0.1', port: 1 } as const;
          return await http.request({ ...request, target: { address } });
        },
      },
    };
    await troubles(
      world.source({ AWS_EC2_METADATA_DISABLED: '' }, nobody),
      'no_credentials',
      /docs\/STORES\.md/,
    );
    server.fault = 'silence';
    await troubles(world.source(machine(world)), 'unavailable', /metadata service.* in time/);
  });
});

test('a container’s role, with its token, from near addresses only', async () => {
  await withWorld(async (world) => {
    const { server } = world;
    assert.equal(await keyOf(world.source(container(world))), 'ASIA1');
    const path = await world.file('token', `${CONTAINER_TOKEN}\n`);
    const byFile = {
      ...container(world),
      AWS_CONTAINER_AUTHORIZATION_TOKEN: '',
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: path,
    };
    assert.equal(await keyOf(world.source(byFile)), 'ASIA2');
    const wrong = { ...container(world), AWS_CONTAINER_AUTHORIZATION_TOKEN: 'another' };
    await troubles(world.source(wrong), 'no_credentials', /refused them with status 403/);
    const split = { ...container(world), AWS_CONTAINER_AUTHORIZATION_TOKEN: 'a\r\nb: c' };
    await troubles(world.source(split), 'no_credentials', /token.* is not one/);
    const before = server.requests.length;
    for (const url of [
      'http://169.254.169.254/keys',
      'http://example.com/keys',
      'ftp://127.0.0.1/',
      'http://user@127.0.0.1/',
    ])
      await troubles(
        world.source({ AWS_CONTAINER_CREDENTIALS_FULL_URI: url }),
        'no_credentials',
        /neither this machine|is not one/,
      );
    assert.equal(server.requests.length, before);
    server.fault = { status: 200, body: '{"AccessKeyId":"x"}' };
    await troubles(world.source(container(world)), 'no_credentials', /not keys/);
    server.fault = { status: 200, body: '<html>' };
    await troubles(world.source(container(world)), 'no_credentials', /not JSON/);
    server.fault = { status: 200, body: 'x'.repeat(100_000) };
    await troubles(world.source(container(world)), 'wrong_answer', /too much/);
  });
});

test('a token that vouches, by variables and by a profile, read anew each time', async () => {
  await withWorld(async (world) => {
    const { server } = world;
    const path = await world.file('web-token', `${WEB_TOKEN}\n`);
    const sts = { AWS_ENDPOINT_URL_STS: server.endpoint };
    const variables = { ...sts, AWS_WEB_IDENTITY_TOKEN_FILE: path, AWS_ROLE_ARN: ROLE_ARN };
    assert.equal(await keyOf(world.source(variables)), 'ASIA1');
    await world.config(`[profile ci]\nrole_arn = ${ROLE_ARN}\nweb_identity_token_file = ${path}\n`);
    assert.equal(await keyOf(world.source({ ...sts, AWS_PROFILE: 'ci' })), 'ASIA2');
    await world.file('web-token', 'of somebody else');
    await troubles(world.source(variables), 'no_credentials', /refused the role \(InvalidIdentityToken\)/);
    await rm(path);
    await troubles(world.source(variables), 'no_credentials', /cannot read .*web-token/);
    server.fault = { status: 200, body: 'no XML' };
    await world.file('web-token', WEB_TOKEN);
    await troubles(world.source(variables), 'no_credentials', /not XML/);
  });
});

const ROLE_SETTINGS = `role_arn = ${ROLE_ARN}\nexternal_id = team-7\nregion = eu-central-1`;
const TRUSTED_SETTINGS = `aws_access_key_id = ${TRUSTED_KEYS.accessKeyId}\naws_secret_access_key = ${TRUSTED_KEYS.secretAccessKey}`;

test('a role, by the keys of another profile, of this one, or of a place', async () => {
  await withWorld(async (world) => {
    const sts = { AWS_ENDPOINT_URL_STS: world.server.endpoint, AWS_PROFILE: 'team' };
    await world.config(
      `[profile team]\n${ROLE_SETTINGS}\nsource_profile = base\n[profile base]\n${TRUSTED_SETTINGS}\n`,
    );
    assert.equal(await keyOf(world.source(sts)), 'ASIA1');
    await world.config(`[profile team]\n${ROLE_SETTINGS}\nsource_profile = team\n${TRUSTED_SETTINGS}\n`);
    assert.equal(await keyOf(world.source(sts)), 'ASIA2');
    await world.config(`[profile team]\n${ROLE_SETTINGS}\ncredential_source = Ec2InstanceMetadata\n`);
    await troubles(
      world.source({ ...sts, ...machine(world) }),
      'no_credentials',
      /refused the role \(InvalidAccessKeyId\)/,
    );
    await world.config(`[profile team]\n${ROLE_SETTINGS}\ncredential_source = Nowhere\n`);
    await troubles(world.source(sts), 'no_credentials', /has no keys/);
    await world.config(
      `[profile team]\n${ROLE_SETTINGS}\nsource_profile = a\n[profile a]\n${ROLE_SETTINGS}\nsource_profile = team\n`,
    );
    await troubles(world.source(sts), 'no_credentials', /too many others/);
    await world.config(`[profile team]\n${ROLE_SETTINGS}\nmfa_serial = x\nsource_profile = base\n`);
    await troubles(world.source(sts), 'no_credentials', /second factor/);
  });
});

test('a program of the profile', async () => {
  await withWorld(async (world) => {
    const script = await world.file('give keys.sh', 'cat "$1"; exit "${2:-0}"\n');
    const run = async (output: string, more = ''): Promise<CredentialSource> => {
      const path = await world.file('output', output);
      await world.config(`[default]\ncredential_process = /bin/sh "${script}" '${path}' ${more}\n`);
      return world.source();
    };
    const good = { Version: 1, AccessKeyId: 'AKIAP', SecretAccessKey: 'secret-9', SessionToken: 's' };
    assert.equal(await keyOf(await run(JSON.stringify(good))), 'AKIAP');
    await troubles(await run(JSON.stringify({ ...good, Version: 2 })), 'no_credentials', /another version/);
    await troubles(await run(JSON.stringify(good), '3'), 'no_credentials', /failed \(status 3\)/);
    await troubles(await run('secret-9'), 'no_credentials', /not JSON/);
    await troubles(await run('x'.repeat(100_000)), 'no_credentials', /too much/);
    await troubles(await run(JSON.stringify({ ...good, Expiration: 'soon' })), 'no_credentials', /not keys/);
    await world.config('[default]\ncredential_process = /nowhere/program\n');
    await troubles(world.source(), 'no_credentials', /cannot be started \(ENOENT\)/);
    await world.config('[default]\ncredential_process = /bin/sh "unclosed\n');
    await troubles(world.source(), 'no_credentials', /a quote without its other/);
  });
});

test('single sign-on, with the token that was left here', async () => {
  await withWorld(async (world) => {
    const profile = 'sso_account_id = 123456789012\nsso_role_name = Publisher';
    const session = 'sso_start_url = https://team.example/start\nsso_region = eu-central-1';
    const sso = { AWS_ENDPOINT_URL_SSO: world.server.endpoint };
    const login = async (expiresAt: string): Promise<void> => {
      const token = { startUrl: 'https://team.example/start', accessToken: SIGN_ON_TOKEN, expiresAt };
      await world.file('.aws/sso/cache/f00.json', JSON.stringify(token));
    };
    await world.file('.aws/sso/cache/other.json', 'of another program');
    await world.config(`[default]\n${profile}\nsso_session = team\n[sso-session team]\n${session}\n`);
    await troubles(world.source(sso), 'no_credentials', /aws sso login/);
    await login('2020-01-01T00:00:00Z');
    await troubles(world.source(sso), 'no_credentials', /aws sso login/);
    await login('2999-01-01T00:00:00UTC');
    assert.equal(await keyOf(world.source(sso)), 'ASIA1');
    await world.config(`[default]\n${profile}\n${session}\n`);
    assert.equal(await keyOf(world.source(sso)), 'ASIA2');
    await world.config(`[default]\n${profile.replace('Publisher', 'Owner')}\n${session}\n`);
    await troubles(world.source(sso), 'no_credentials', /refused the role Owner with status 403/);
    await world.config('[default]\nsso_session = team\n');
    await troubles(world.source(sso), 'no_credentials', /lacks sso_start_url/);
  });
});

test('the first place that has keys counts', async () => {
  await withWorld(async (world) => {
    await world.config(`[default]\n${TRUSTED_SETTINGS}\n`);
    const all = { ...machine(world), ...container(world) };
    const variables = { AWS_ACCESS_KEY_ID: 'AKIAV', AWS_SECRET_ACCESS_KEY: 'x' };
    assert.equal(await keyOf(world.source({ ...all, ...variables })), 'AKIAV');
    assert.equal(await keyOf(world.source(all)), TRUSTED_KEYS.accessKeyId);
    assert.equal(await keyOf(world.source({ ...all, AWS_PROFILE: 'nobody' })), 'ASIA1');
    assert.equal(world.server.requests.at(-1), 'GET /container/keys');
    assert.equal(await keyOf(world.source({ ...machine(world), AWS_PROFILE: 'nobody' })), 'ASIA2');
  });
});

test('keys are kept, fetched once for all who wait, and again before they run out', async () => {
  await withWorld(async (world) => {
    const { server } = world;
    let laterMs = 0;
    const { clock } = createNodeEnv();
    const late: Partial<Env> = {
      clock: {
        wallMs: () => clock.wallMs() + laterMs,
        wallNs: () => clock.wallNs(),
        monotonicMs: () => clock.monotonicMs(),
        sleep: async (durationMs, signal) => await clock.sleep(durationMs, signal),
      },
    };
    const source = world.source(container(world), late);
    assert.deepEqual(await Promise.all([keyOf(source), keyOf(source), keyOf(source)]), [
      'ASIA1',
      'ASIA1',
      'ASIA1',
    ]);
    assert.equal(server.given, 1);
    laterMs = 54 * 60_000;
    assert.equal(await keyOf(source), 'ASIA1');
    laterMs = 56 * 60_000;
    server.fault = { status: 503, body: '' };
    assert.equal(await keyOf(source), 'ASIA1', 'good for four minutes');
    server.fault = null;
    assert.equal(await keyOf(source), 'ASIA2');
    server.fault = { status: 503, body: '' };
    laterMs = 3 * 3_600_000;
    await troubles(source, 'unavailable', /container’s key service.*status 503/);
    server.fault = null;
    const refused = await source.current();
    assert.equal(await source.renew(refused), true, 'a service says that they have run out');
    assert.notEqual((await source.current()).accessKeyId, refused.accessKeyId);
  });
});

test('stores of one process share the keys of a role, until a person changes what they wrote down', async () => {
  await withWorld(async (world) => {
    const env = world.env(container(world));
    const [first, second] = [new CredentialSource(env), new CredentialSource(env)];
    const held = await first.current();
    assert.equal(await keyOf(second), 'ASIA1');
    assert.equal(world.server.given, 1);
    assert.equal(await first.renew(held), true);
    assert.equal(await keyOf(new CredentialSource(env)), 'ASIA2', 'not those that were refused');
    await world.config('[default]\nregion = eu-north-1\n');
    assert.equal(await keyOf(new CredentialSource(env)), 'ASIA3');
    await world.config(`[default]\n${TRUSTED_SETTINGS}\n`);
    assert.equal(await keyOf(new CredentialSource(env)), TRUSTED_KEYS.accessKeyId);
    const other = TRUSTED_SETTINGS.replace(TRUSTED_KEYS.accessKeyId, 'AKIAOTHER');
    await world.config(`[default]\n${other}\n`);
    assert.equal(await keyOf(new CredentialSource(env)), 'AKIAOTHER');
  });
});

test('keys that last for minutes are not fetched for each request', async () => {
  await withWorld(async (world) => {
    world.server.lifeMs = 120_000;
    const source = world.source(container(world));
    assert.equal(await keyOf(source), 'ASIA1');
    assert.equal(await keyOf(source), 'ASIA1');
    assert.doesNotMatch(inspect(source, { depth: 20, showHidden: true }), /secret-\d/);
  });
});
