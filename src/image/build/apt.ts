/**
 * apt on a state of its own: it sees the chosen archives and no installed package, so that what it resolves is a whole
 * system of any architecture, and it needs no root. Signatures are checked as always: by the host's keys, on the
 * archive's index, which has the SHA-256 of each package.
 */
import { fromUtf8Lossy, utf8 } from '../../base/bytes.ts';
import { KelpieError } from '../../base/errors.ts';
import { writeWhole } from '../whole-file.ts';
import { formatSources } from './apt-sources.ts';
import { runTool, toolLines } from './tool.ts';
import type { Env } from '../../env/env.ts';
import type { ToolRun } from './tool.ts';
import type { AptSource } from './apt-sources.ts';

/** A package as the archive's signed index names it. */
export interface PackageFile {
  /** `NAME_VERSION_ARCHITECTURE.deb`, with `:` in the version as `%3a`. */
  readonly fileName: string;
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export class Apt {
  readonly #env: Env;
  readonly #directory: string;
  readonly #signal: AbortSignal;

  private constructor(env: Env, directory: string, signal: AbortSignal) {
    this.#env = env;
    this.#directory = directory;
    this.#signal = signal;
  }

  /** Prepares a state in `directory`, which may hold the lists of an earlier one of the same archives. */
  static async create(
    env: Env,
    directory: string,
    options: {
      readonly architecture: string;
      readonly sources: readonly AptSource[];
      readonly signal: AbortSignal;
    },
  ): Promise<Apt> {
    for (const name of ['lists/partial', 'archives/partial'])
      await env.files.makeDirectory(`${directory}/${name}`);
    await writeWhole(env.files, `${directory}/status`, utf8(''));
    await writeWhole(env.files, `${directory}/archives.sources`, utf8(formatSources(options.sources)));
    await writeWhole(
      env.files,
      `${directory}/main.conf`,
      utf8(mainConfiguration(directory, options.architecture)),
    );
    await writeWhole(env.files, `${directory}/apt.conf`, utf8(`Dir::Etc::main "${directory}/main.conf";\n`));
    return new Apt(env, directory, options.signal);
  }

  /** Fetches the archives' newest indexes and checks their signatures. */
  async update(onPercent: (percent: number) => void): Promise<void> {
    await this.#withStatus(['update', '-qq', '-o', 'APT::Update::Error-Mode=any'], undefined, onPercent);
  }

  /** Every package that `wanted` (names or apt patterns) and its dependencies are, sorted by name. */
  async resolve(wanted: readonly string[]): Promise<readonly PackageFile[]> {
    const lines = await toolLines(this.#env, this.#run(['install', '-qq', '--print-uris', ...wanted]));
    return lines.map(parsePrintedUri).toSorted((a, b) => (a.fileName < b.fileName ? -1 : 1));
  }

  /** Puts these packages into `directory`, which is empty, under their file names. apt has checked their digests. */
  async download(
    packages: readonly PackageFile[],
    directory: string,
    onPercent: (percent: number) => void,
  ): Promise<void> {
    const names = packages.map((wanted) => `${wanted.name}=${wanted.version}`);
    await this.#withStatus(['download', '-qq', ...names], directory, onPercent);
  }

  async #withStatus(
    args: readonly string[],
    cwd: string | undefined,
    onPercent: (percent: number) => void,
  ): Promise<void> {
    await runTool(this.#env, this.#run(['-o', 'APT::Status-Fd=1', ...args], cwd), (bytes) => {
      const percents = fromUtf8Lossy(bytes)
        .split('\n')
        .flatMap((line) => /^dlstatus:\d+:([\d.]+):/.exec(line)?.[1] ?? []);
      const last = Number(percents.at(-1));
      if (Number.isFinite(last)) onPercent(last);
    });
  }

  #run(args: readonly string[], cwd?: string): ToolRun {
    return {
      command: 'apt-get',
      args,
      environment: { APT_CONFIG: `${this.#directory}/apt.conf` },
      ...(cwd === undefined ? {} : { cwd }),
      signal: this.#signal,
    };
  }
}

/** A line of `--print-uris`: `'URI' NAME_VERSION_ARCH.deb SIZE SHA256:DIGEST`. */
export function parsePrintedUri(line: string): PackageFile {
  const match =
    /^'[^']*' (([a-z0-9][a-z0-9+.-]*)_([^_/ ]+)_([a-z0-9-]+)\.deb) (\d+) SHA256:([0-9a-f]{64})$/.exec(line);
  const [, fileName, name, version, architecture, size, sha256] = match ?? [];
  if (!fileName || !name || !version || !architecture || !size || !sha256) {
    throw new KelpieError(
      'image_build_failed',
      `apt named a package in a way that is not understood: ${line}.`,
    );
  }
  return {
    fileName,
    name,
    version: version.replaceAll('%3a', ':'),
    architecture,
    sizeBytes: Number(size),
    sha256,
  };
}

/**
 * The configuration that apt reads last, in place of `/etc/apt/apt.conf`: the host's proxies and time-outs stay in
 * force, its hooks and its own state do not.
 */
function mainConfiguration(directory: string, architecture: string): string {
  return [
    '#clear APT::Update::Pre-Invoke;',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    '#clear APT::Architectures;',
    '#clear APT::NeverAutoRemove;',
    '#clear Acquire::IndexTargets::deb::DEP-11;',
    '#clear Acquire::IndexTargets::deb::DEP-11-icons;',
    '#clear Acquire::IndexTargets::deb::DEP-11-icons-small;',
    '#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;',
    '#clear Acquire::IndexTargets::deb::CNF;',
    `APT::Architecture "${architecture}";`,
    `APT::Architectures { "${architecture}"; };`,
    'APT::Install-Recommends "false";',
    'APT::Get::AllowUnauthenticated "false";',
    'APT::Get::Assume-Yes "true";',
    // The state is private to the user, so apt's own unprivileged user could not write to it.
    'APT::Sandbox::User "";',
    'Acquire::Languages "none";',
    // What --print-uris tells; without it, MD5 for the sake of old tools.
    'Acquire::ForceHash "SHA256";',
    'Acquire::Retries "3";',
    'Acquire::AllowInsecureRepositories "false";',
    `Dir::State "${directory}";`,
    `Dir::State::lists "${directory}/lists";`,
    `Dir::State::status "${directory}/status";`,
    `Dir::State::extended_states "${directory}/extended_states";`,
    `Dir::Cache "${directory}";`,
    `Dir::Cache::archives "${directory}/archives";`,
    `Dir::Etc::sourcelist "${directory}/archives.sources";`,
    'Dir::Etc::sourceparts "/dev/null";',
    'Dir::Etc::preferences "/dev/null";',
    'Dir::Etc::preferencesparts "/dev/null";',
    '',
  ].join('\n');
}
