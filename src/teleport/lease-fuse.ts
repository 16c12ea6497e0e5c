/**
 * The end of a lease for a host whose daemon is dead or stuck: a small process of its own, which stops the VM's processes (`SIGSTOP`) when its time has
 * come and no newer fuse is in force.
 *
 *     light ──▶ burning ──take──▶ in force ──newer one taken, disarmed──▶ ends
 *                  └──put out          └──time is over──▶ blown: the mark is made, the VM's processes are stopped
 *
 * It is lit before a renewal is asked for and taken when it was granted, so it is never late: a crash in between leaves the one before in force. Which one is in
 * force says a file; when it is gone, so is what was guarded. While it is there and cannot be read (a disk that fails), the fuse burns on, and blows
 * at its end if it still does not know: a VM that stands can go on, one that ran twice cannot be mended. Time is counted by `/proc/uptime`, which
 * goes on while the machine sleeps, or by the wall clock where there is no `/proc`.
 */
import { utf8 } from '../base/bytes.ts';
import { replaceDurably } from '../env/durable-files.ts';
import { SECOND_MS } from '../base/units.ts';
import { isThere } from '../env/is-there.ts';
import type { Env } from '../env/env.ts';
import { isCaged, listCages } from '../vm/cages.ts';
import type { HostPlaces } from './host-places.ts';

export type FuseEnv = Pick<Env, 'files' | 'processes' | 'random'>;

/** The fuse looks at the clock and at its file once a second, and seconds are whole: so late it may be. */
const FUSE_LATE_MS: number = 2 * SECOND_MS;

/**
 * Arguments: the file, the token, the folder of all run directories, the name of the VM's in it, seconds. Folder and name come apart so that this
 * process is not found by the search for the VM's own. One that is caged does not have its run directory on its command line, but the name of its
 * cage (`vm/cages.ts`). A mark that cannot be made ends the script if `:` makes it, and nothing would be stopped; `printf` only fails.
 */
const SCRIPT = `
look() {
  force=out
  if read -r current 2>/dev/null <"$1"; then [ "$current" != "$2" ] || force=in; elif [ -e "$1" ]; then force=unknown; fi
}
now() { if read -r up rest 2>/dev/null </proc/uptime; then echo "\${up%%.*}"; else date +%s; fi; }
end=$(($(now) + $5)) seen=
while :; do
  look "$1" "$2"
  case $force in in) seen=1 ;; out) [ -z "$seen" ] || exit 0 ;; esac
  [ "$(now)" -lt "$end" ] || break
  sleep 1
done
[ "$force" != out ] || exit 0
printf '' 2>/dev/null >"$1.blown"
if [ -d /proc/self ]; then
  stop() { for path in $(grep -lsa "$@" /proc/[0-9]*/cmdline); do path=\${path%/cmdline}; kill -STOP "\${path##*/}" 2>/dev/null; done; }
  stop -F -e "$3/$4/"
  for cage in "$3/$4"/jail/*/*; do stop -zxF -e "\${cage##*/}" -e "--id=\${cage##*/}"; done
else
  kill -STOP $(pgrep -f -- "$3/$4/")
fi
exit 0
`;

/** One that burns; not yet in force. */
export interface LitFuse {
  readonly token: string;
  /** Ends it. One that was taken must not be put out: another is taken, or it is disarmed. */
  putOut(): void;
}

export class LeaseFuse {
  readonly #env: FuseEnv;
  readonly #places: HostPlaces;
  readonly #vmId: string;

  constructor(env: FuseEnv, places: HostPlaces, vmId: string) {
    this.#env = env;
    this.#places = places;
    this.#vmId = vmId;
  }

  /** @throws SystemError when no process can be started. */
  async light(durationMs: number): Promise<LitFuse> {
    const token = this.#env.random.uuid();
    const seconds = Math.max(0, Math.floor((durationMs - FUSE_LATE_MS) / SECOND_MS));
    const run = this.#places.runDirectory(this.#vmId);
    const [runs, name] = [this.#places.runsDirectory, run.slice(this.#places.runsDirectory.length + 1)];
    const child = await this.#env.processes.spawn({
      command: '/bin/sh',
      args: ['-c', SCRIPT, 'kelpie-lease-fuse', this.#file, token, runs, name, String(seconds)],
      output: 'ignore',
      detached: true,
    });
    return { token, putOut: () => child.kill('SIGKILL') };
  }

  /** From here on this one guards, and no other; which of them does when this fails is not known. @throws SystemError as `replaceDurably`. */
  async take({ token }: LitFuse): Promise<void> {
    await replaceDurably(this.#env.files, this.#file, utf8(`${token}\n`));
  }

  /** Nothing guards any more: what the VM does is in the hands of whoever calls this. */
  async disarm(): Promise<void> {
    await this.#env.files.removeTree(this.#file);
  }

  /** True when the VM's processes may be stopped. */
  async isBlown(): Promise<boolean> {
    return isThere(this.#env.files, this.#mark);
  }

  /** The VM's processes go on, if they were stopped. Whether its CPUs run is another matter. */
  async thaw(): Promise<void> {
    if (!(await this.isBlown())) return;
    const directory = this.#places.runDirectory(this.#vmId);
    const cages = await listCages(this.#env.files, directory);
    for (const { identity, args } of await this.#env.processes.list()) {
      if (!isCaged(args, cages) && !args.some((arg) => arg.includes(`${directory}/`))) continue;
      (await this.#env.processes.adopt(identity))?.kill('SIGCONT');
    }
    // Last: a crash before leaves the mark, and then it is done again.
    await this.#env.files.removeTree(this.#mark);
  }

  get #file(): string {
    return this.#places.leaseFuse(this.#vmId);
  }
  get #mark(): string {
    return `${this.#file}.blown`;
  }
}
