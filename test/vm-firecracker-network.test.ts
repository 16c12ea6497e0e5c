/**
 * A network for a Firecracker VM without rights (ADR 122), by the real `unshare`, `ip` and `slirp4netns`, with a real guest on the stand-in: it is
 * reached by its published port, calls out, and nothing of it is left, whatever ends first.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { isKelpieError } from '../src/base/errors.ts';
import { createNodeEnv } from '../src/env/node/env.ts';
import type { ProcessIdentity } from '../src/env/processes.ts';
import { createFirecrackerBackend } from '../src/vm/firecracker/backend.ts';
import { findNetwork } from '../src/vm/firecracker/network.ts';
import { IMAGE_BUILD_TIMEOUT_MS } from './support/base-image.ts';
import { eventually } from './support/eventually.ts';
import { untilState, VmWorld } from './support/vm-world.ts';
import type { TakenSnapshot, VmInWorld } from './support/vm-world.ts';

const SUITE_TIMEOUT_MS = 240_000;
const END_TIMEOUT_MS = 60_000;
/** A port that was free a moment ago may be somebody else's by now. */
const PORT_TRIES_MAX = 5;
const GUEST_PORT = 8000;
const standIn = join(import.meta.dirname, 'firecracker-stand-in/firecracker');
const run = promisify(execFile);
const env = createNodeEnv();
const network = await findNetwork(env, { kind: 'user' });

/** Who asks is told `said`. */
async function serve(
  host: string,
  said: string,
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((_request, response) => response.end(said)).listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { server, port: address.port };
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}

/** Does something with a port that nobody has. */
async function withPort<T>(act: (port: number) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const { server, port } = await serve('127.0.0.1', '');
    await close(server);
    try {
      return await act(port);
    } catch (error) {
      if (tries === PORT_TRIES_MAX || !isKelpieError(error, 'port_taken')) throw error;
    }
  }
}

/** What a port of this host answers. A guest that stands still for a second is taken for one that is not there, and asked again. */
async function ask(port: number): Promise<string> {
  let answer: string | null = null;
  const isAnswered = async (): Promise<boolean> => {
    try {
      answer = await (await fetch(`http://127.0.0.1:${port}/`)).text();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    return answer !== null;
  };
  await eventually(isAnswered, `somebody answers at port ${port}`);
  return String(answer);
}

/** This machine's own address, as others call it; null where it has none. */
function ownAddress(): string | null {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? null;
}

/**
 * A shared mount with one below it, as systemd leaves all mounts of a host, and `ip netns` named network namespaces. Only root's programs could take it away.
 */
class Witness {
  readonly #top: string;
  readonly #below: string;

  private constructor(top: string) {
    this.#top = top;
    this.#below = join(top, 'below');
  }

  static async mount(): Promise<Witness | null> {
    if (process.getuid?.() !== 0) return null;
    const top = await realpath(await mkdtemp(join(tmpdir(), 'kelpie-witness-')));
    const witness = new Witness(top);
    await mkdir(witness.#below);
    await run('mount', ['--bind', top, top]);
    await run('mount', ['--make-shared', top]);
    await run('mount', ['--bind', witness.#below, witness.#below]);
    return witness;
  }

  async isThere(): Promise<boolean> {
    const mounts = await readFile('/proc/self/mountinfo', 'utf8');
    return mounts.split('\n').some((line) => line.split(' ')[4] === this.#below);
  }

  async remove(): Promise<void> {
    await run('umount', ['--recursive', this.#top]);
    await rm(this.#top, { recursive: true });
  }
}

const why = network.kind === 'none' ? `${network.why} (issue #5)` : false;

describe(
  'firecracker: a network without rights',
  { skip: why, timeout: IMAGE_BUILD_TIMEOUT_MS + SUITE_TIMEOUT_MS },
  () => {
    let world: VmWorld;
    let booted: VmInWorld;
    let port: number;
    let snapshot: TakenSnapshot;
    let copy: VmInWorld;
    let witness: Witness | null = null;

    const publish = (
      hostPort: number,
    ): { readonly publish: readonly { hostPort: number; guestPort: number }[] } => ({
      publish: [{ hostPort, guestPort: GUEST_PORT }],
    });
    const slirpOf = async ({ places }: VmInWorld): Promise<readonly ProcessIdentity[]> => {
      const all = await env.processes.list();
      return all
        .filter(({ args }) => args.includes(`${places.runDirectory}/net.sock`))
        .map(({ identity }) => identity);
    };

    /** The stand-in is two processes: the one that serves its API sees a moment later that the other has died. */
    const nothingIsLeft = async (ended: VmInWorld): Promise<void> => {
      const left = async (): Promise<readonly string[]> => await world.leftovers(ended);
      await eventually(async () => (await left()).length === 0, 'nothing is left', left);
    };

    before(async () => {
      witness = await Witness.mount();
      world = await VmWorld.create(
        env,
        (_env, cacheDirectory) =>
          createFirecrackerBackend(env, { cacheDirectory, program: standIn, network: { kind: 'user' } }),
        { memoryMib: 256, portability: 'host' },
      );
      ({ booted, port } = await withPort(async (hostPort) => ({
        booted: await world.boot(publish(hostPort)),
        port: hostPort,
      })));
      await world.run(booted, 'mkdir -p /srv/www && echo hello > /srv/www/index.html');
      const agent = await booted.vm.agent();
      await agent.startDetached({
        argv: ['/usr/bin/python3', '-m', 'http.server', '--directory', '/srv/www', String(GUEST_PORT)],
      });
      await world.run(booted, `until curl -s -o /dev/null 127.0.0.1:${GUEST_PORT}; do sleep 0.1; done`);
    });
    after(async () => {
      try {
        await world.close();
      } finally {
        await witness?.remove();
      }
    });

    test('what the host has mounted stays', async () => {
      assert.equal((await slirpOf(booted)).length, 1);
      assert.notEqual(await witness?.isThere(), false);
    });

    test('a guest is reached by its published port, also from a daemon’s restart on', async () => {
      assert.equal(await ask(port), 'hello\n');
      booted = await world.adopt(booted);
      assert.equal(await ask(port), 'hello\n');
      assert.equal((await slirpOf(booted)).length, 1);
    });

    test('a guest calls out to other machines, and not to what this one has for itself', async () => {
      const address = ownAddress();
      const outside = address === null ? null : await serve(address, 'outside');
      const inside = await serve('127.0.0.1', 'inside');
      const call = (host: string, at: number): string =>
        `curl -s -m 60 http://${host}:${at}/ || echo refused`;
      try {
        assert.equal(await world.run(booted, call('10.0.2.2', inside.port)), 'refused');
        if (address !== null && outside !== null)
          assert.equal(await world.run(booted, call(address, outside.port)), 'outside');
      } finally {
        await close(inside.server);
        if (outside !== null) await close(outside.server);
      }
    });

    test('a port that somebody has is refused, and nothing is left', async () => {
      const made = await world.make(publish(port));
      await assert.rejects(made.vm.start({ disk: [] }), (error) => {
        assert.ok(isKelpieError(error, 'port_taken'), String(error));
        assert.match(error.message, new RegExp(`^port ${port} of this host cannot be published`));
        return true;
      });
      await nothingIsLeft(made);
      assert.equal(await ask(port), 'hello\n');
    });

    test('a VM whose slirp4netns was killed goes on without a network, and has one again from its next start on', async () => {
      snapshot = await world.snapshot(booted, { resume: true });
      for (const { pid } of await slirpOf(booted)) process.kill(pid, 'SIGKILL');
      await eventually(async () => (await slirpOf(booted)).length === 0, 'slirp4netns is gone');
      assert.equal(await world.run(booted, 'echo on'), 'on');
      await booted.vm.stop({ force: true });
      await nothingIsLeft(booted);
      ({ copy, port } = await withPort(async (hostPort) => {
        const made = await world.make(publish(hostPort));
        await made.vm.restore(await world.restoreRequest(snapshot));
        return { copy: made, port: hostPort };
      }));
      assert.equal(await ask(port), 'hello\n');
    });

    test('nothing is left of a VM whose Firecracker was killed: no process, no file', async () => {
      const pid = copy.vm.runtime?.process.pid;
      assert.ok(pid !== undefined);
      process.kill(pid, 'SIGKILL');
      await untilState(copy, 'crashed', END_TIMEOUT_MS);
      await nothingIsLeft(copy);
    });
  },
);
