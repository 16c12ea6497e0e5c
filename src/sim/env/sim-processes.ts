import { assert } from '../../base/assert.ts';
import type { Bytes } from '../../base/bytes.ts';
import { ADOPTED_POLL_MS_MAX } from '../../env/processes.ts';
import type {
  AdoptedProcess,
  Child,
  ExitStatus,
  ProcessIdentity,
  Processes,
  SpawnOptions,
} from '../../env/processes.ts';
import { SystemError } from '../../env/system-error.ts';
import { follow } from '../disk/paths.ts';
import type { SimProcess } from '../process.ts';
import { Pipe } from './pipe.ts';
import type { MakeEnv } from './sim-env.ts';

const SPAWN_MS = 2;

/** Where a program's output goes and its input comes from. */
export interface StandardStreams {
  readonly stdin: Pipe | null;
  readonly stdout: Pipe | null;
  readonly stderr: Pipe | null;
  /** The file that output goes to instead; null when it does not. */
  readonly file: string | null;
}

export class SimProcesses implements Processes {
  readonly #process: SimProcess;
  readonly #makeEnv: MakeEnv;

  constructor(process: SimProcess, makeEnv: MakeEnv) {
    this.#process = process;
    this.#makeEnv = makeEnv;
  }

  async spawn(options: SpawnOptions): Promise<Child> {
    assert(options.detached !== true || options.output !== 'capture', 'what outlives us writes to a file');
    return this.#process.call('processes.spawn', () => this.#start(options), { costMs: SPAWN_MS });
  }

  async adopt(identity: ProcessIdentity): Promise<AdoptedProcess | null> {
    return this.#process.call('processes.adopt', () => {
      const found = this.#find(identity);
      if (found === null) return null;
      return {
        identity,
        wait: () => this.#noticeEnd(found),
        kill: (signal) => found.machine.kill(found, signal),
      };
    });
  }

  async isAlive(identity: ProcessIdentity): Promise<boolean> {
    return this.#process.call('processes.isAlive', () => this.#find(identity) !== null);
  }

  async list(): ReturnType<Processes['list']> {
    return this.#process.call('processes.list', () =>
      this.#process.machine.processes.map(({ identity, args }) => ({ identity, args })),
    );
  }

  /** Whoever polls notices late. */
  #noticeEnd(found: SimProcess): Promise<void> {
    const delayMs = this.#process.machine.random.fraction() * ADOPTED_POLL_MS_MAX;
    return this.#process.wait<void>(
      'processes.poll',
      (done) => {
        const notice = (): void => done(() => undefined);
        if (found.isAlive) found.onExit(notice);
        else notice();
      },
      { delayMs },
    );
  }

  #find({ pid, startedAt }: ProcessIdentity): SimProcess | null {
    const found = this.#process.machine.process(pid);
    return found?.identity.startedAt === startedAt ? found : null;
  }

  #start(options: SpawnOptions): Child {
    const { machine } = this.#process;
    const { command, args } = options;
    const name = command.split('/').at(-1) ?? '';
    const program = machine.programs.get(name);
    if (program === undefined) throw new SystemError('ENOENT', 'spawn', command);
    const file = typeof options.output === 'object' ? options.output.path : null;
    if (file !== null) touch(this.#process, file);
    const child = machine.startProcess([command, ...args], `${name} ${siteOf(this.#process.label)}`);
    child.parent = this.#process;
    child.uid = this.#process.uid;
    child.namespace = this.#process.namespace;
    child.cwd = options.cwd ?? this.#process.cwd;
    const isCaptured = options.output === 'capture';
    const streams: StandardStreams = {
      stdin: options.stdin === 'pipe' ? new Pipe() : null,
      stdout: isCaptured ? new Pipe() : null,
      stderr: isCaptured ? new Pipe() : null,
      file,
    };
    child.onExit(() => {
      streams.stdout?.end();
      streams.stderr?.end();
      streams.stdin?.stopReading();
    });
    const env = this.#makeEnv(child);
    child.post('processes.main', () => machine.run(program, child, env, streams));
    return this.#childOf(child, streams);
  }

  #childOf(child: SimProcess, streams: StandardStreams): Child {
    const parent = this.#process;
    const { stdin, stdout, stderr } = streams;
    return {
      identity: child.identity,
      stdout: outputOf(parent, stdout),
      stderr: outputOf(parent, stderr),
      stdin:
        stdin === null
          ? null
          : {
              write: (bytes) => stdin.write(parent, 'processes.stdin', bytes),
              end: () => parent.call('processes.stdin', () => stdin.end()),
            },
      wait: () =>
        parent.wait<ExitStatus>('processes.wait', (done) => {
          const tell = (): void => done(() => child.exit ?? { code: 0 });
          if (child.isAlive) child.onExit(tell);
          else tell();
        }),
      kill: (signal) => {
        if (child.isAlive) child.machine.kill(child, signal);
      },
    };
  }
}

async function* outputOf(reader: SimProcess, pipe: Pipe | null): AsyncGenerator<Bytes> {
  if (pipe === null) return;
  try {
    for (
      let part = await pipe.read(reader, 'processes.output');
      part !== null;
      part = await pipe.read(reader, 'processes.output')
    ) {
      yield part;
    }
  } finally {
    pipe.stopReading();
  }
}

/** Makes the file that a program's output is appended to. */
function touch({ machine }: SimProcess, path: string): void {
  const place = follow(machine, path, 'open');
  if (place.inode !== null) return;
  place.volume.change({
    directory: place.directory,
    name: place.name,
    inode: place.volume.newFile(0o600, machine.scheduler.nowMs),
  });
}

/** A child belongs to the site of its parent, which ends the parent's label. */
function siteOf(label: string): string {
  return label.slice(label.lastIndexOf(' ') + 1);
}
