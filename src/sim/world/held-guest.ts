/** A guest as its VMM holds it, whichever VMM that is: run, stopped, saved and loaded, with the world's truth told of it. */
import type { Env } from '../../env/env.ts';
import type { SimProcess } from '../process.ts';
import { GuestAgentEnd } from './guest-agent.ts';
import type { Layer } from './guest-disk.ts';
import type { GuestRam } from './guest-ram.ts';
import { Guest } from './guest.ts';
import type { DeviceState } from './guest.ts';
import { StopGate } from './stop-gate.ts';
import type { WorldTruth } from './world-truth.ts';

export interface HeldParts {
  readonly process: SimProcess;
  readonly env: Env;
  readonly truth: WorldTruth;
  /** A socket in the VM's run directory: `HOME/run/VM/NAME`. */
  readonly socketPath: string;
  readonly ram: GuestRam;
  readonly chain: readonly Layer[];
  /** The guest turns itself off. */
  readonly onPowerOff: () => void;
  /** Its kernel panics. */
  readonly onCrash: () => void;
}

export class HeldGuest {
  readonly guest: Guest;
  readonly agent: GuestAgentEnd;
  readonly #process: SimProcess;
  readonly #env: Env;
  readonly #truth: WorldTruth;
  readonly #gate: StopGate = new StopGate();
  #isToRun = false;

  constructor({ process, env, truth, socketPath, ram, chain, onPowerOff, onCrash }: HeldParts) {
    this.#process = process;
    this.#env = env;
    this.#truth = truth;
    const { machine } = process;
    const vmKey = vmKeyAt(socketPath);
    this.guest = new Guest({
      vmKey,
      hostName: socketPath.split('/').slice(0, -3).join('/'),
      ram,
      chain,
      random: machine.random.split(vmKey),
      onCrash,
      onState: (text) => truth.tell('guest', `${vmKey} ${text}`, process.label),
    });
    this.agent = new GuestAgentEnd({
      compute: env.compute,
      guest: this.guest,
      unixMs: () => env.clock.wallMs(),
      hit: (name) => machine.faults.hit(name, process.label),
      powerOff: onPowerOff,
      seeds: truth.seeds,
      machineIds: truth.machineIds,
      violated: (oracle, what) => truth.violated(oracle, what),
      mark: (name) => truth.mark(name),
    });
    truth.guests.add(this.guest);
    process.onExit(() => {
      this.guest.stop(this.#nowMs);
      truth.guests.delete(this.guest);
    });
    process.onStopped = (isStopped) => this.#onStopped(isStopped);
  }

  run(): void {
    this.#isToRun = true;
    this.guest.run(this.#nowMs);
    for (const look of this.#truth.onRunning) look(this.guest);
  }

  stop(): void {
    this.#isToRun = false;
    this.guest.stop(this.#nowMs);
  }

  /** Does what the guest did until now. */
  catchUp(): void {
    if (this.guest.isRunning) this.guest.advance(this.#nowMs);
  }

  /** Resolves when the process is not stopped by a signal: a stopped one executes nothing and answers nobody. */
  async passed(): Promise<void> {
    await this.#gate.passed();
  }

  get state(): DeviceState {
    const { vmKey, count, ram, diskCount } = this.guest;
    return { vmKey, count, ramDigest: ram.digest(this.#env.compute), diskCount };
  }

  /** Its devices are as they were saved. What a real guest would notice sooner or later is looked at now. */
  load(state: DeviceState): void {
    const { guest } = this;
    if (state.vmKey !== guest.vmKey) this.#becomeCopy(state.vmKey);
    if (guest.ram.digest(this.#env.compute) !== state.ramDigest)
      this.#truth.violated(
        'memory',
        `${guest.vmKey} was restored with other memory than it had at the pause`,
      );
    if (guest.diskCount !== state.diskCount) {
      this.#truth.violated(
        'disk',
        `${guest.vmKey} was restored with another disk (${guest.diskCount}) than it had at the pause (${state.diskCount})`,
      );
    }
    this.#truth.mark('restored');
    for (const look of this.#truth.onLoaded) look(guest);
    guest.isRepairNeeded = true;
  }

  /** Only if somebody asked for copies of that VM; and a copy is one of one VM for ever. */
  #becomeCopy(of: string): void {
    const { guest } = this;
    const { forked, lineage } = this.#truth;
    if (!forked.has(of) || (lineage.get(guest.vmKey) ?? of) !== of)
      this.#truth.violated('identity', `${guest.vmKey} was given the state of ${of}`);
    lineage.set(guest.vmKey, of);
    guest.isCopy = true;
    this.#truth.mark('copy loaded');
  }

  #onStopped(isStopped: boolean): void {
    if (!this.#gate.set(isStopped)) return;
    this.#truth.mark(isStopped ? 'frozen' : 'thawed');
    if (!this.#isToRun) return;
    if (isStopped) return this.guest.stop(this.#nowMs);
    this.run();
  }

  get #nowMs(): number {
    return this.#process.machine.scheduler.nowMs;
  }
}

/** The VM whose run directory a socket is in. */
export function vmKeyAt(socketPath: string): string {
  return socketPath.split('/').at(-2) ?? '';
}
