/** What a test of the suite is, and the world in which it runs. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BaseSnapshot } from './base-snapshot.ts';
import { isAtLeast } from './binary.ts';
import type { SuiteOptions } from './options.ts';
import { UnderTest } from './under-test.ts';

export interface Case {
  readonly name: string;
  readonly run: (world: World) => Promise<void>;
}

/** What all tests of a run have in common. */
export interface Suite {
  readonly options: SuiteOptions;
  /** Of the binary under test. */
  readonly version: string;
  readonly base: BaseSnapshot;
}

/** Thrown by a test that does not apply here; the message says why. */
export class Skipped extends Error {
  override readonly name = 'Skipped';
}

const NAME_OF_SOCKET = 'api.sock';

/** A fresh folder for each test, and everything that was started in it. */
export class World {
  readonly options: SuiteOptions;
  /** Of the binary under test. */
  readonly version: string;
  /** A snapshot to load. */
  readonly base: BaseSnapshot;
  readonly folder: string;
  readonly #started: UnderTest[] = [];

  private constructor(suite: Suite, folder: string) {
    this.options = suite.options;
    this.version = suite.version;
    this.base = suite.base;
    this.folder = folder;
  }

  static async open(suite: Suite): Promise<World> {
    return new World(suite, await mkdtemp(join(tmpdir(), 'fc-')));
  }

  /** @throws Skipped when the binary is older than `1.minor`. */
  needs(minor: number, what: string): void {
    if (!isAtLeast(this.version, minor)) throw new Skipped(`${what} came with 1.${minor}`);
  }

  /** Starts a process in a folder of the test; in its own one, or one that a process had before. */
  async launch(name = 'vm', args: readonly string[] = []): Promise<UnderTest> {
    const folder = join(this.folder, name);
    await mkdir(folder, { recursive: true });
    const socketPath = join(folder, NAME_OF_SOCKET);
    await rm(socketPath, { force: true });
    return await this.launchAs({
      program: this.options.binary,
      args: ['--api-sock', NAME_OF_SOCKET, '--id', name, ...args],
      folder,
      socketPath,
    });
  }

  async launchAs(launch: Parameters<typeof UnderTest.launch>[0]): Promise<UnderTest> {
    const one = await UnderTest.launch(launch);
    this.#started.push(one);
    return one;
  }

  /** Ends what still runs and removes the folder. @throws Error when something cannot be ended. */
  async close(): Promise<void> {
    try {
      for (const one of this.#started) if (!one.hasEnded) await one.kill();
    } finally {
      await rm(this.folder, { recursive: true, force: true });
    }
  }
}
