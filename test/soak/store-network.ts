/**
 * A network between hosts and their store, of which each host's way can be cut:
 *
 *     namespace of a ── veth ──┐
 *                              bridge, with the store's address ── the S3 service
 *     namespace of b ── veth ──┘
 *
 * Needs root and `ip` (iproute2). Nothing of it outlives `close`; what a run that was killed has left goes by `ip netns del` and `ip link del`.
 */
import { randomInt } from 'node:crypto';
import { lastWords, runProgram } from './run-program.ts';

/**
 * `down`: the cable is pulled. `silent`: nothing arrives on either side, and neither is told. `deaf`: what the host sends arrives, and is done, but no answer
 * comes back until the way is mended.
 */
export type Cut = 'down' | 'silent' | 'deaf';

/** A station that nobody has. */
const NOBODY_MAC = '02:00:00:00:00:99';
/** So that two runs at once rarely want the same addresses; when they do, the second is refused. */
const NETWORKS = 64 * 256;

export class StoreNetwork {
  /** Of the store. */
  readonly address: string;
  readonly #name: string;
  readonly #prefix: string;
  readonly #hosts: readonly string[];

  private constructor(name: string, prefix: string, hosts: readonly string[]) {
    this.#name = name;
    this.#prefix = prefix;
    this.#hosts = hosts;
    this.address = `${prefix}.1`;
  }

  /** @throws Error when this machine does not allow it; nothing is left then. */
  static async create(hosts: readonly string[]): Promise<StoreNetwork> {
    const number = randomInt(NETWORKS);
    const prefix = `10.${192 + Math.floor(number / 256)}.${number % 256}`;
    const network = new StoreNetwork(`klp${process.pid}`, prefix, hosts);
    try {
      await network.#build();
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  /** Why it cannot be on this machine, in a sentence; null when it can. */
  static async trouble(): Promise<string | null> {
    try {
      const network = await StoreNetwork.create(['a']);
      const [program = '', ...args] = network.enter('a');
      try {
        await runProgram(program, ...args, 'true');
      } finally {
        await network.close();
      }
      return null;
    } catch (error) {
      return `Network namespaces cannot be made here: ${lastWords(error)}.`;
    }
  }

  /** The beginning of a command line that runs the rest in a host's namespace. */
  enter(host: string): readonly string[] {
    return ['nsenter', `--net=/run/netns/${this.#namespace(host)}`];
  }

  async cut(host: string, how: Cut): Promise<void> {
    const link = this.#link(host);
    if (how === 'down') await runProgram('ip', 'link', 'set', link, 'down');
    else if (how === 'silent') await runProgram('ip', 'link', 'set', link, 'nomaster');
    else {
      const neighbour = ['lladdr', NOBODY_MAC, 'dev', this.#name, 'nud', 'permanent'];
      await runProgram('ip', 'neigh', 'replace', this.#addressOf(host), ...neighbour);
    }
  }

  /** Mends whatever was cut; one that was not is left as it is. */
  async mend(host: string): Promise<void> {
    const link = this.#link(host);
    await runProgram('ip', 'link', 'set', link, 'master', this.#name, 'up');
    const known = await runProgram('ip', 'neigh', 'show', this.#addressOf(host), 'dev', this.#name);
    if (known.includes('PERMANENT'))
      await runProgram('ip', 'neigh', 'del', this.#addressOf(host), 'dev', this.#name);
  }

  async close(): Promise<void> {
    const namespaces = await runProgram('ip', 'netns', 'list');
    for (const host of this.#hosts) {
      const namespace = this.#namespace(host);
      // The kernel removes the pair with the last process of the namespace, some time later; the name is free at once.
      if (await this.#hasLink(this.#link(host))) await runProgram('ip', 'link', 'del', this.#link(host));
      if (namespaces.split(/\s/).includes(namespace)) await runProgram('ip', 'netns', 'del', namespace);
    }
    if (await this.#hasLink(this.#name)) await runProgram('ip', 'link', 'del', this.#name);
  }

  async #build(): Promise<void> {
    await runProgram('ip', 'link', 'add', this.#name, 'type', 'bridge');
    await runProgram('ip', 'addr', 'add', `${this.address}/24`, 'dev', this.#name);
    await runProgram('ip', 'link', 'set', this.#name, 'up');
    for (const host of this.#hosts) await this.#connect(host);
  }

  async #connect(host: string): Promise<void> {
    const namespace = this.#namespace(host);
    const inside = ['-n', namespace];
    await runProgram('ip', 'netns', 'add', namespace);
    const peer = ['peer', 'name', 'store', 'netns', namespace];
    await runProgram('ip', 'link', 'add', this.#link(host), 'type', 'veth', ...peer);
    await runProgram('ip', 'link', 'set', this.#link(host), 'master', this.#name, 'up');
    await runProgram('ip', ...inside, 'addr', 'add', `${this.#addressOf(host)}/24`, 'dev', 'store');
    await runProgram('ip', ...inside, 'link', 'set', 'store', 'up');
    await runProgram('ip', ...inside, 'link', 'set', 'lo', 'up');
  }

  async #hasLink(name: string): Promise<boolean> {
    const links = await runProgram('ip', '-o', 'link', 'show');
    return new RegExp(`^\\d+: ${name}[:@]`, 'm').test(links);
  }

  #namespace(host: string): string {
    return `${this.#name}-${host}`;
  }

  #link(host: string): string {
    return `${this.#name}-${host}`;
  }

  #addressOf(host: string): string {
    return `${this.#prefix}.${this.#hosts.indexOf(host) + 2}`;
  }
}
