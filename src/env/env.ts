/**
 * The one boundary to the outside. Whatever is not a pure function of its arguments goes through an `Env`, which is
 * passed in explicitly: `env/node` implements it on Node, the simulator implements it on a seeded world.
 *
 * Rules for implementers, held by `test/support/env-suite.ts`, which runs over every implementation:
 * - failures of the operating system are thrown as `SystemError` with the POSIX name in `errno`;
 * - a call does not settle synchronously, and never settles after its `signal` has rejected it;
 * - nothing is buffered without a bound that its doc comment names.
 */
import type { Age } from './age.ts';
import type { Clock } from './clock.ts';
import type { Compute } from './compute.ts';
import type { Files } from './files.ts';
import type { Http } from './http.ts';
import type { Processes } from './processes.ts';
import type { Random } from './random.ts';
import type { Sockets } from './sockets.ts';
import type { Host } from './host.ts';

export interface Env {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: Files;
  readonly sockets: Sockets;
  readonly processes: Processes;
  readonly http: Http;
  readonly compute: Compute;
  readonly age: Age;
  readonly host: Host;
}

/** What the command line has: to compute is the daemon's, and a command starts the sooner the less it loads. */
export type CommandEnv = Omit<Env, 'compute' | 'age'>;
