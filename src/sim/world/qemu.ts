/**
 * `qemu-system-x86_64`, simulated at the wire: command line, control protocol, agent's port, `/proc` files, and the real one's rules.
 *
 *     prelaunch ──cont──▶ running ⇄ paused          inmigrate ──state loaded──▶ paused
 *                            │         │                 └──bad state──▶ the process ends
 *                            └─guest powers off─▶ shutdown        quit: disks are flushed, the process ends
 */
import { defined } from '../../base/assert.ts';
import { concat } from '../../base/bytes.ts';
import { isSystemError } from '../../env/system-error.ts';
import type { Connection } from '../../env/sockets.ts';
import type { Env } from '../../env/env.ts';
import { lookup } from '../disk/paths.ts';
import { readOrNull } from '../env/read-or-null.ts';
import type { FaultName } from '../fault-names.ts';
import type { Program } from '../machine.ts';
import type { SimProcess } from '../process.ts';
import { GuestAgentEnd } from './guest-agent.ts';
import { BadLayer, openLayer } from './guest-disk.ts';
import type { Layer } from './guest-disk.ts';
import { GuestRam } from './guest-ram.ts';
import { Guest } from './guest.ts';
import type { DeviceState } from './guest.ts';
import { answerQuestions } from './qemu-questions.ts';
import { decodeDeviceState, encodeDeviceState } from './device-state.ts';
import { blockNode, parseQemuArguments } from './qemu-arguments.ts';
import type { QemuCommandLine } from './qemu-arguments.ts';
import { showMemory } from './qemu-proc.ts';
import { QmpRefusal, QmpServer } from './qmp-server.ts';
import type { QmpArguments } from './qmp-server.ts';
import { StopGate } from './stop-gate.ts';
import type { WorldTruth } from './world-truth.ts';

type RunState = 'prelaunch' | 'inmigrate' | 'running' | 'paused' | 'shutdown';

/** Simulated milliseconds. */
const START_MS_MAX = 40;
const COMMAND_MS_MAX = 6;
const BOOT_MS_MAX = 3000;
const POWER_OFF_MS_MAX = 800;
const HANG_MS_MAX = 90_000;

/** What a VMM may refuse for reasons of its own. */
const refusals: ReadonlyMap<string, FaultName> = new Map([
  ['stop', 'vm_pause_fail'],
  ['cont', 'vm_resume_fail'],
  ['xen-save-devices-state', 'snapshot_create_fail'],
]);

/** The program, whose guests' truth is told to `truth`. */
export function qemuProgram(truth: WorldTruth): Program {
  return async ({ process, env, args, streams }) => {
    if (args.includes('stdio')) return answerQuestions(process, streams);
    if (strikes(process, 'vm_boot_fail')) return 1;
    try {
      return await new Qemu(process, env, truth, parseQemuArguments(args)).run();
    } catch (error) {
      // A file that is missing or damaged, a socket that is taken: QEMU says so and ends.
      if (error instanceof BadLayer || isSystemError(error)) return 1;
      throw error;
    }
  };
}

function strikes(process: SimProcess, name: FaultName): boolean {
  return process.machine.faults.hit(name, process.label) !== null;
}

class Qemu {
  readonly #process: SimProcess;
  readonly #env: Env;
  readonly #truth: WorldTruth;
  readonly #line: QemuCommandLine;
  readonly #qmp: QmpServer = new QmpServer(
    (command, args) => this.#execute(command, args),
    () => this.#exit.resolve(0),
  );
  readonly #exit: PromiseWithResolvers<number> = Promise.withResolvers<number>();
  readonly #nodes = new Map<string, Layer>();
  readonly #guest: Guest;
  readonly #agent: GuestAgentEnd;
  readonly #agentWaiting: Connection[] = [];
  readonly #gate: StopGate = new StopGate();
  #isAgentConnected = false;
  #dataNode: string;
  #state: RunState;
  #isAgentUp = false;
  #resumed: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  constructor(process: SimProcess, env: Env, truth: WorldTruth, line: QemuCommandLine) {
    this.#process = process;
    this.#env = env;
    this.#truth = truth;
    this.#line = line;
    this.#state = line.isIncoming ? 'inmigrate' : 'prelaunch';
    this.#dataNode = line.dataNode;
    const { machine } = process;
    for (const node of line.nodes) this.#nodes.set(node.node, openLayer(machine, node.path, node.format));
    const { inode } = lookup(machine, line.memoryPath, 'open');
    if (inode.kind !== 'file' || inode.contents.sizeBytes < line.memoryBytes)
      throw new BadLayer('the memory file is too small');
    const ram = new GuestRam(inode, line.memoryBytes);
    const vmKey = line.control.split('/').at(-2) ?? '';
    this.#guest = new Guest({
      vmKey,
      hostName: hostOf(line.control),
      ram,
      chain: this.#chain(line.dataNode),
      random: machine.random.split(vmKey),
      onCrash: () => this.#end('guest-panic'),
      onState: (text) => truth.tell('guest', `${vmKey} ${text}`, process.label),
    });
    this.#agent = new GuestAgentEnd({
      compute: env.compute,
      guest: this.#guest,
      unixMs: () => env.clock.wallMs(),
      hit: (name) => machine.faults.hit(name, process.label),
      powerOff: () => void this.#powerOff(),
      seeds: truth.seeds,
      violated: (oracle, what) => truth.violated(oracle, what),
    });
    truth.guests.add(this.#guest);
    process.onExit(() => {
      this.#guest.stop(machine.scheduler.nowMs);
      truth.guests.delete(this.#guest);
    });
    process.onStopped = (isStopped) => this.#onStopped(isStopped);
    showMemory(process, line, ram);
  }

  async run(): Promise<number> {
    await this.#work(START_MS_MAX);
    await this.#env.sockets.listen({ kind: 'unix', path: this.#line.control }, (connection) =>
      this.#qmp.connect(connection),
    );
    await this.#env.sockets.listen({ kind: 'unix', path: this.#line.agent }, (connection) =>
      this.#acceptAgent(connection),
    );
    return this.#exit.promise;
  }

  async #execute(command: string, args: QmpArguments): Promise<unknown> {
    const { label } = this.#process;
    this.#truth.tell('message', command, `kelpied ${label.slice(-1)}`, label);
    await this.#work(COMMAND_MS_MAX);
    await this.#trouble(command);
    await this.#gate.passed();
    switch (command) {
      case 'query-status':
        return { status: this.#state, running: this.#state === 'running', singlestep: false };
      case 'stop':
        return this.#stop();
      case 'cont':
        return this.#continue();
      case 'quit':
        return this.#flush();
      case 'xen-save-devices-state':
        return this.#save(String(args['filename']));
      case 'blockdev-add':
        return this.#addNode(args);
      case 'blockdev-snapshot':
        return this.#switch(String(args['node']), String(args['overlay']));
      case 'blockdev-del':
        return this.#removeNode(String(args['node-name']));
      case 'query-block':
        return [
          { qdev: 'data', inserted: { 'node-name': this.#dataNode, image: imageOf(this.#guest.chain) } },
        ];
      case 'migrate-set-capabilities':
        return {};
      case 'migrate-incoming':
        return this.#listenForState(String(args['uri']).replace(/^unix:/, ''));
      case 'ringbuf-read':
        return '';
      default:
        throw new QmpRefusal(`The command ${command} has not been found`);
    }
  }

  /** @throws QmpRefusal. */
  async #trouble(command: string): Promise<void> {
    const hang = this.#process.machine.faults.hit('vmm_hang', this.#process.label);
    if (hang !== null) await this.#env.clock.sleep(hang.random.fraction() ** 2 * HANG_MS_MAX);
    const refusal = refusals.get(command);
    if (refusal !== undefined && strikes(this.#process, refusal))
      throw new QmpRefusal(`${refusal} (simulated)`);
  }

  /** A stopped process executes nothing and answers nobody. */
  #onStopped(isStopped: boolean): void {
    if (!this.#gate.set(isStopped)) return;
    this.#truth.mark(isStopped ? 'frozen' : 'thawed');
    if (this.#state !== 'running') return;
    if (isStopped) return this.#guest.stop(this.#nowMs);
    this.#guest.run(this.#nowMs);
    this.#truth.onRunning?.(this.#guest);
  }

  #stop(): void {
    if (this.#state === 'running') {
      this.#guest.stop(this.#nowMs);
      this.#state = 'paused';
      this.#flush();
      this.#qmp.event('STOP', {});
    }
  }

  #continue(): void {
    if (this.#state === 'inmigrate')
      this.#truth.violated('vmm', 'a VM was told to go on before its state was loaded');
    if (this.#state === 'shutdown') throw new QmpRefusal('Resetting the Virtual Machine is required');
    if (this.#state === 'running') return;
    if (this.#state === 'prelaunch') void this.#boot();
    this.#state = 'running';
    this.#guest.run(this.#nowMs);
    this.#truth.onRunning?.(this.#guest);
    this.#resumed.resolve();
    this.#resumed = Promise.withResolvers();
    this.#qmp.event('RESUME', {});
  }

  async #boot(): Promise<void> {
    this.#guest.boot();
    await this.#work(BOOT_MS_MAX);
    this.#isAgentUp = true;
    this.#resumed.resolve();
    this.#resumed = Promise.withResolvers();
  }

  async #powerOff(): Promise<void> {
    await this.#work(POWER_OFF_MS_MAX);
    this.#end('guest-shutdown');
  }

  #end(reason: 'guest-shutdown' | 'guest-panic'): void {
    if (this.#state !== 'running') return;
    if (reason === 'guest-panic') this.#truth.died.add(this.#guest.vmKey);
    this.#guest.stop(this.#nowMs);
    this.#state = 'shutdown';
    this.#flush();
    this.#qmp.event('SHUTDOWN', { guest: true, reason });
  }

  async #save(path: string): Promise<void> {
    if (this.#state === 'running') throw new QmpRefusal('the simulated QEMU saves stopped machines only');
    const guest = this.#guest;
    const state: DeviceState = {
      vmKey: guest.vmKey,
      count: guest.count,
      ramDigest: guest.ram.digest(this.#env.compute),
      diskCount: guest.diskCount,
    };
    try {
      const file = await this.#env.files.open(path, 'w');
      await file.write(encodeDeviceState(this.#env.compute, state), 0);
      await file.close();
    } catch (error) {
      throw new QmpRefusal(`Could not write '${path}': ${String(error)}`);
    }
  }

  #addNode(args: QmpArguments): void {
    const node = blockNode(JSON.stringify(args));
    if (this.#nodes.has(node.node)) throw new QmpRefusal(`Duplicate nodes with node-name='${node.node}'`);
    this.#nodes.set(node.node, this.#openLayer(node.path));
  }

  #openLayer(path: string): Layer {
    try {
      return openLayer(this.#process.machine, path, 'qcow2');
    } catch (error) {
      if (error instanceof BadLayer) throw new QmpRefusal(error.message);
      throw error;
    }
  }

  #switch(node: string, overlay: string): void {
    if (node !== this.#dataNode) throw new QmpRefusal(`node '${node}' is not what the guest writes to`);
    const layer = this.#nodes.get(overlay);
    if (layer === undefined) throw new QmpRefusal(`Cannot find device='' nor node-name='${overlay}'`);
    // What it wrote until now is in the layer below.
    if (this.#guest.isRunning) this.#guest.advance(this.#nowMs);
    this.#guest.chain = [layer, ...this.#guest.chain];
    this.#dataNode = overlay;
  }

  #removeNode(node: string): void {
    const layer = this.#nodes.get(node);
    if (layer === undefined || this.#guest.chain.includes(layer))
      throw new QmpRefusal(`Node ${node} is in use`);
    this.#nodes.delete(node);
  }

  async #listenForState(path: string): Promise<void> {
    if (this.#state !== 'inmigrate')
      throw new QmpRefusal("'-incoming' was not specified on the command line");
    const listener = await this.#env.sockets.listen({ kind: 'unix', path }, (connection) => {
      void listener.close();
      void this.#load(connection);
    });
    this.#qmp.event('MIGRATION', { status: 'setup' });
  }

  async #load(connection: Connection): Promise<void> {
    const parts: Uint8Array[] = [];
    for (let part = await connection.read(); part !== null; part = await connection.read()) parts.push(part);
    connection.close();
    this.#qmp.event('MIGRATION', { status: 'active' });
    await this.#work(COMMAND_MS_MAX);
    const state = decodeDeviceState(this.#env.compute, concat(parts));
    if (state === null || strikes(this.#process, 'snapshot_restore_fail')) return this.#exit.resolve(1);
    this.#checkRestored(state);
    this.#truth.onLoaded?.(this.#guest);
    this.#state = 'paused';
    this.#isAgentUp = true;
    this.#guest.isRepairNeeded = true;
    this.#qmp.event('MIGRATION', { status: 'completed' });
  }

  /** What a real guest would notice sooner or later. */
  #checkRestored(state: DeviceState): void {
    const guest = this.#guest;
    if (state.vmKey !== guest.vmKey)
      this.#truth.violated('identity', `${guest.vmKey} was given the state of ${state.vmKey}`);
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
  }

  #acceptAgent(connection: Connection): void {
    this.#agentWaiting.push(connection);
    if (!this.#isAgentConnected) void this.#serveAgent();
  }

  async #serveAgent(): Promise<void> {
    this.#isAgentConnected = true;
    for (
      let connection = this.#agentWaiting.shift();
      connection !== undefined;
      connection = this.#agentWaiting.shift()
    ) {
      this.#agent.hangUp();
      for (let bytes = await readOrNull(connection); bytes !== null; bytes = await readOrNull(connection)) {
        while (this.#state !== 'running' || !this.#isAgentUp) await this.#resumed.promise;
        await this.#gate.passed();
        this.#guest.advance(this.#nowMs);
        const answer = this.#agent.take(bytes);
        await this.#env.clock.sleep(this.#agent.takeDelayMs());
        if (answer.byteLength > 0) await connection.write(answer).catch(() => undefined);
      }
      connection.close();
    }
    this.#isAgentConnected = false;
  }

  #chain(node: string): readonly Layer[] {
    const description = defined(
      this.#line.nodes.find((candidate) => candidate.node === node),
      'a node of the command line',
    );
    const layer = defined(this.#nodes.get(node), 'an open node');
    return description.backing === null ? [layer] : [layer, ...this.#chain(description.backing)];
  }

  /** What a running guest did not sync itself. */
  #flush(): void {
    for (const { volume, inode } of this.#guest.chain) volume.syncFile(inode);
  }

  #work(durationMsMax: number): Promise<void> {
    return this.#env.clock.sleep(this.#process.machine.random.fraction() * durationMsMax);
  }

  get #nowMs(): number {
    return this.#process.machine.scheduler.nowMs;
  }
}

function imageOf(chain: readonly Layer[]): unknown {
  const [top, ...rest] = chain;
  if (top === undefined) return undefined;
  return { filename: top.path, ...(rest.length === 0 ? {} : { 'backing-image': imageOf(rest) }) };
}

/** The home that a VM's files are under. */
function hostOf(controlPath: string): string {
  return controlPath.split('/').slice(0, -3).join('/');
}
