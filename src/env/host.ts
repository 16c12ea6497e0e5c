/** Facts of the machine and the process, read once at the edge. */
export interface Host {
  readonly architecture: 'x86_64' | 'arm64';
  readonly platform: 'linux' | 'darwin';
  /** For people and records; not an identity. */
  readonly name: string;
  /** The system's name and release: `Linux 6.1.0-18-amd64`. */
  readonly kernel: string;
  readonly cpuModel: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly pid: number;
  readonly uid: number;
  readonly homeDirectory: string;
  /** Where the program was started; relative paths of people are relative to it. */
  readonly currentDirectory: string;
  /** The absolute path of the program that starts this one again with the same code (`bin/kelpie`). */
  readonly launcherPath: string;
  /** The folder that the program was installed in. */
  readonly installDirectory: string;
  /** An environment variable, or null. Read at the edges only. */
  variable(name: string): string | null;
}
