/** Keys and encrypted stores, by the command line over the API of whole daemons, without VMs. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { main } from '../src/cli/main.ts';
import { routes } from '../src/daemon/api/routes.ts';
import { ensureStoreRoot } from '../src/store/packages/store-root.ts';
import { openObjects } from '../src/store/objects/open-objects.ts';
import { objectOf } from './support/cli-host.ts';
import { rejectsWith } from './support/daemon-calls.ts';
import { withFakeHosts } from './support/fake-daemon.ts';
import { memoryTerminal } from './support/memory-terminal.ts';
import type { FakeDaemon } from './support/fake-daemon.ts';
import type { FakeHosts } from './support/fake-hosts.ts';

interface Ran {
  readonly status: number;
  readonly output: string;
  readonly errors: string;
}

/** A command line on a host whose daemon runs. */
type Run = (...args: readonly string[]) => Promise<Ran>;

interface World {
  /** Starts a host. */
  readonly host: (name: string) => Promise<{ readonly daemon: FakeDaemon; readonly run: Run }>;
  readonly hosts: FakeHosts;
  /** A directory that is no store yet. */
  readonly url: string;
}

async function withHosts(act: (world: World) => Promise<void>): Promise<void> {
  await withFakeHosts(async (start, hosts) => {
    const host: World['host'] = async (name) => {
      const daemon = await start(name);
      const run: Run = async (...args) => {
        const { terminal, output, errors } = memoryTerminal();
        const status = await main(hosts.env, terminal, [...args, '--home', hosts.home(name)]);
        return { status, output: output(), errors: errors() };
      };
      return { daemon, run };
    };
    await act({ host, hosts, url: hosts.storeUrl });
  });
}

async function must(running: Promise<Ran>): Promise<string> {
  const { status, output, errors } = await running;
  assert.equal(status, 0, errors);
  return output;
}

async function json(running: Promise<Ran>): Promise<Readonly<Record<string, unknown>>> {
  return objectOf(JSON.parse(await must(running)));
}

/** One sentence with its code, behind the phases if there are any. */
async function mustFail(code: string, running: Promise<Ran>): Promise<string> {
  const { status, errors } = await running;
  assert.notEqual(status, 0);
  assert.match(errors, new RegExp(`(?:^|…\\n)kelpie: [^\\n]*\\. \\[${code}\\]\\n$`));
  return errors;
}

async function recipientOf({ daemon }: { readonly daemon: FakeDaemon }): Promise<string> {
  return (await daemon.client.call(routes.keyShow)).recipients[0] ?? '';
}

async function signerOf({ daemon }: { readonly daemon: FakeDaemon }): Promise<string> {
  return (await daemon.client.call(routes.keyShow)).signingKey ?? '';
}

async function restored({ daemon }: { readonly daemon: FakeDaemon }, storeUrl: string): Promise<string> {
  const { vm } = await daemon.operate(routes.restoreFromStore, { body: { storeUrl, vm: 'dev' } });
  return vm.state;
}

test('two hosts share an encrypted store; a third cannot read it until it is let in', async () => {
  await withHosts(async ({ host, url }) => {
    const [ada, bob, eve] = [await host('ada'), await host('bob'), await host('eve')];
    for (const { run } of [ada, bob, eve]) await must(run('key', 'init'));
    const [bobs, eves] = [await recipientOf(bob), await recipientOf(eve)];
    assert.match(await must(ada.run('store', 'show', url)), /none yet/);
    const made = await must(ada.run('store', 'init', url, '--self', '--recipient', bobs));
    assert.match(made, new RegExp(`\\(this host\\)\\n  ${bobs}`));
    await ada.daemon.up();
    const left = await must(ada.run('teleport', 'dev', '--to', url));
    assert.match(left, /encrypted for 2 recipients, not signed/);
    assert.match(await must(bob.run('package', 'ls', '--store', url)), /encrypted for 2 recipients/);

    const listed = await must(eve.run('package', 'ls', '--store', url));
    assert.match(listed, /damaged: .*encrypted for others/);
    const shown = await must(eve.run('store', 'show', url));
    assert.match(shown, /packages {4}1\nencrypted {3}yes, for 2 [^]*trouble .*encrypted for others/);
    await rejectsWith('permission_denied', restored(eve, url));

    assert.match(await must(bob.run('store', 'recipients', url, '--add', eves)), new RegExp(eves));
    assert.equal(await restored(eve, url), 'running');
    await must(eve.run('teleport', 'dev', '--to', url));

    const removed = await must(ada.run('store', 'recipients', url, '--remove', eves));
    assert.match(removed, /kelpie store rotate/);
    const rotated = await json(ada.run('store', 'rotate', url, '--json'));
    assert.equal([rotated['keyIds']].flat().length, 2);
    await rejectsWith('permission_denied', restored(eve, url));
    assert.equal(await restored(bob, url), 'running');
  });
});

test('a host with a list of whom it trusts restores only what is signed by them', async () => {
  await withHosts(async ({ host, url }) => {
    const [ada, bob] = [await host('ada'), await host('bob')];
    await ada.daemon.up();
    assert.match(await must(ada.run('teleport', 'dev', '--to', url)), /not encrypted, not signed/);
    await must(ada.run('key', 'init', '--sign'));
    const adas = await signerOf(ada);
    await must(bob.run('key', 'init', '--sign'));
    const trusting = await must(bob.run('key', 'trust', adas, '--note', 'Ada'));
    assert.match(trusting, new RegExp(`trusts +${await signerOf(bob)} this host\\n +${adas} Ada`));
    await rejectsWith('permission_denied', restored(bob, url));

    assert.equal(await restored(ada, url), 'running');
    const left = await json(ada.run('teleport', 'dev', '--to', url, '--json'));
    assert.equal(left['signedBy'], adas);
    const packageId = String(left['packageId']);
    const shown = await must(bob.run('package', 'show', packageId, '--store', url));
    assert.match(shown, new RegExp(`not encrypted, signed by ${adas}`));
    await must(bob.run('key', 'trust', '--remove', adas));
    await rejectsWith('permission_denied', restored(bob, url));
    await must(bob.run('key', 'trust', adas));
    assert.equal(await restored(bob, url), 'running');
  });
});

test('bad calls get one sentence and change nothing', async () => {
  await withHosts(async ({ host, hosts, url }) => {
    const ada = await host('ada');
    const { run } = ada;
    await mustFail('not_found', run('store', 'init', url, '--self'));
    await mustFail('usage', run('store', 'init', url));
    await must(run('key', 'init'));
    await mustFail('name_taken', run('key', 'init'));
    const own = await recipientOf(ada);
    const secret = await hosts.env.age.createIdentity();
    for (const text of [secret, 'nobody', `${own}q`, `ed25519:${'0'.repeat(64)}`]) {
      const told = await mustFail('invalid_argument', run('store', 'init', url, '--recipient', text));
      assert.ok(!told.includes(secret.slice(20)));
    }
    await mustFail('invalid_argument', run('key', 'trust', secret));
    await mustFail('usage', run('key', 'trust', '--remove', '--note', 'x', own));
    await mustFail('invalid_state', run('store', 'rotate', url));
    assert.deepEqual(await readdir(url), []);

    await must(run('store', 'init', url, '--self'));
    await mustFail('name_taken', run('store', 'init', url, '--self'));
    const other = await hosts.env.age.recipientOf(secret);
    await mustFail('not_found', run('store', 'recipients', url, '--remove', other));
    assert.match(
      await mustFail('invalid_argument', run('store', 'recipients', url, '--remove', own)),
      /the last recipient/,
    );
    await mustFail('usage', run('store', 'recipients', url));
    const view = await ada.daemon.client.call(routes.storeShow, { query: { storeUrl: url } });
    assert.deepEqual(view.encryption?.recipients, [{ recipient: own, isThisHost: true }]);
    assert.equal(view.encryption.revision, 0);
    assert.equal(view.trouble, null);
  });
});

test('a plain store stays plain, and key files that others may read are not used', async () => {
  await withHosts(async ({ host, hosts }) => {
    const { run } = await host('ada');
    await must(run('key', 'init', '--sign'));
    const plain = join(hosts.root, 'plain');
    await mkdir(plain);
    await ensureStoreRoot(hosts.env, await openObjects(hosts.env, plain), null);
    assert.match(await must(run('store', 'show', plain)), /encrypted {3}no/);
    assert.match(await mustFail('name_taken', run('store', 'init', plain, '--self')), /at another place/);
    assert.match(await mustFail('invalid_state', run('store', 'rotate', plain)), /kelpie store init/);
    const identities = join(hosts.home('ada'), 'keys/identities.txt');
    await chmod(identities, 0o644);
    assert.match(await mustFail('permission_denied', run('key', 'show')), /chmod 600/);
    await chmod(identities, 0o600);
    const shown = await must(run('key', 'show'));
    assert.doesNotMatch(shown, /SECRET|private/i);
  });
});

test('a store that is signed stays signed', async () => {
  await withHosts(async ({ host, url }) => {
    const [ada, bob] = [await host('ada'), await host('bob')];
    await must(ada.run('key', 'init', '--sign'));
    await must(bob.run('key', 'init'));
    const bobs = await recipientOf(bob);
    await must(ada.run('store', 'init', url, '--self', '--recipient', bobs));
    assert.match(await must(bob.run('store', 'show', url)), new RegExp(`signed by ${await signerOf(ada)}`));
    assert.match(await mustFail('invalid_state', bob.run('store', 'rotate', url)), /key init --sign/);
    await must(bob.run('key', 'trust', await signerOf(ada)));
    await mustFail('invalid_state', bob.run('store', 'rotate', url));
    await must(bob.run('key', 'init', '--sign'));
    await must(bob.run('store', 'rotate', url));
  });
});

test('a store whose keys were replaced is shown with what is wrong', async () => {
  await withHosts(async ({ host, url }) => {
    const [ada, bob] = [await host('ada'), await host('bob')];
    await must(ada.run('key', 'init'));
    await must(ada.run('store', 'init', url, '--self'));
    await rm(join(url, 'store.json'));
    await must(bob.run('key', 'init'));
    await must(bob.run('store', 'init', url, '--self'));
    const shown = await must(ada.run('store', 'show', url));
    assert.match(shown, /trouble .*encrypted for others/);
    await must(bob.run('store', 'recipients', url, '--add', await recipientOf(ada)));
    assert.match(await must(ada.run('store', 'show', url)), /trouble .*other keys .* tampered/);
    await mustFail('permission_denied', ada.run('store', 'rotate', url));
    const { trouble } = await bob.daemon.client.call(routes.storeShow, { query: { storeUrl: url } });
    assert.equal(trouble, null);
  });
});

test('a host that would not trust what it publishes sends nothing, and keeps its VM', async () => {
  await withHosts(async ({ host, url }) => {
    const [ada, bob] = [await host('ada'), await host('bob')];
    await must(bob.run('key', 'init', '--sign'));
    await must(ada.run('key', 'trust', await signerOf(bob)));
    await ada.daemon.up();
    await mustFail('permission_denied', ada.run('teleport', 'dev', '--to', url));
    assert.deepEqual(await readdir(url), []);
    assert.equal((await ada.daemon.view()).state, 'running');
  });
});
