/** What every command gets: the way to the person, and the way to the daemon. */
import { KelpieError } from '../base/errors.ts';
import type { CommandEnv } from '../env/env.ts';
import type { Terminal } from '../env/terminal.ts';
import type { Route } from '../daemon/api/routes.ts';
import type { CallOptions, DaemonClient } from './daemon-client.ts';
import { ensureDaemon } from './daemon-launch.ts';
import { Output } from './output.ts';
import { Progress } from './progress.ts';

export interface GlobalOptions {
  readonly json: boolean;
  readonly home: string;
  readonly color: boolean;
}

export class Cli {
  readonly env: CommandEnv;
  readonly terminal: Terminal;
  readonly output: Output;
  readonly home: string;
  readonly #options: GlobalOptions;
  #client: DaemonClient | null = null;

  constructor(env: CommandEnv, terminal: Terminal, options: GlobalOptions) {
    this.env = env;
    this.terminal = terminal;
    this.home = options.home;
    this.#options = options;
    const isColourAllowed = options.color && (env.host.variable('NO_COLOR') ?? '') === '';
    this.output = new Output(terminal, { isJson: options.json, isColourAllowed });
  }

  /** The daemon of this host, started when it does not run. */
  async daemon(): Promise<DaemonClient> {
    this.#client ??= await ensureDaemon(this.env, this.home);
    return this.#client;
  }

  async call<Result, Body, Query>(
    route: Route<Result, Body, Query>,
    options: CallOptions<Body> = {},
  ): Promise<Result> {
    const daemon = await this.daemon();
    return daemon.call(route, options);
  }

  /**
   * A long operation with progress. The first Ctrl-C asks the daemon to stop it, and its answer says what became of the VM; the
   * client going away has the same effect, so a second one may end the program at once.
   */
  async operate<Result, Body, Query>(
    route: Route<Result, Body, Query>,
    options: CallOptions<Body>,
  ): Promise<Result> {
    const daemon = await this.daemon();
    const progress = this.progress();
    try {
      return await this.interruptible('interrupted; `kelpie ps` tells what became of the VM.', (signal) =>
        daemon.operate(
          route,
          { ...options, signal },
          { onProgress: async (step) => progress.show(step), onNotice: async (text) => progress.note(text) },
        ),
      );
    } finally {
      await progress.finish();
    }
  }

  /** What shows one operation's progress. */
  progress(): Progress {
    return new Progress(this.terminal, this.env.clock, { isJson: this.#options.json });
  }

  /** Runs `act` with a signal that the first Ctrl-C aborts. @param sentence what the person is told then. */
  async interruptible<T>(sentence: string, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const stopListening = this.terminal.onInterrupt(() =>
      controller.abort(new KelpieError('canceled', sentence)),
    );
    try {
      return await act(controller.signal);
    } finally {
      stopListening();
    }
  }
}
