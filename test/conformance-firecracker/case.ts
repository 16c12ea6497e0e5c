/** What a test of the suite is, and the world in which it runs. */
import type { BaseSnapshot } from './base-snapshot.ts';
import { isAtLeast, printed } from './binary.ts';
import type { Printed } from './binary.ts';
import type { SuiteOptions } from './options.ts';
import type { Outside } from './outside.ts';
import { UnderTest } from './under-test.ts';
import type { Launch } from './under-test.ts';

export interface Case {
  readonly name: string;
  readonly run: (world: World) => Promise<void>;
}

/** What all tests of a run have in common. */
export interface Suite {
  readonly outside: Outside;
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
  readonly outside: Outside;
  readonly options: SuiteOptions;
  /** Of the binary under test. */
  readonly version: string;
  /** A snapshot to load. */
  readonly base: BaseSnapshot;
  readonly folder: string;
  readonly #started: UnderTest[] = [];

  private constructor(suite: Suite, folder: string) {
    this.outside = suite.outside;
    this.options = suite.options;
    this.version = suite.version;
    this.base = suite.base;
    this.folder = folder;
  }

  static async open(suite: Suite): Promise<World> {
    return new World(suite, await suite.outside.makeFolder());
  }

  /** @throws Skipped when the binary is older than `1.minor`. */
  needs(minor: number, what: string): void {
    if (!isAtLeast(this.version, minor)) throw new Skipped(`${what} came with 1.${minor}`);
  }

  /** Starts a process in a folder of the test; in its own one, or one that a process had before. */
  async launch(name = 'vm', args: readonly string[] = []): Promise<UnderTest> {
    const { files } = this.outside.env;
    const folder = `${this.folder}/${name}`;
    await files.makeDirectory(folder);
    const socketPath = `${folder}/${NAME_OF_SOCKET}`;
    await files.removeTree(socketPath);
    return await this.launchAs({
      program: this.options.binary,
      args: ['--api-sock', NAME_OF_SOCKET, '--id', name, ...args],
      folder,
      socketPath,
    });
  }

  async launchAs(launch: Launch): Promise<UnderTest> {
    const one = await UnderTest.launch(this.outside, launch);
    this.#started.push(one);
    return one;
  }

  /** What the binary says when it is only asked. */
  async print(...args: readonly string[]): Promise<Printed> {
    return await printed(this.outside.env, this.options.binary, args);
  }

  /** Ends what still runs and removes the folder. @throws Error when something cannot be ended. */
  async close(): Promise<void> {
    try {
      for (const one of this.#started) if (!one.hasEnded) await one.kill();
    } finally {
      await this.outside.env.files.removeTree(this.folder);
    }
  }
}
