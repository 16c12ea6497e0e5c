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
import { BadLayer, openLayer } from './guest-disk.ts';
import type { Layer } from './guest-disk.ts';
import { GuestRam } from './guest-ram.ts';
import type { Guest } from './guest.ts';
import { HeldGuest } from './held-guest.ts';
import { showMemory } from './memory-proc.ts';
import { answerQuestions } from './qemu-questions.ts';
import { decodeDeviceState, encodeDeviceState } from './device-state.ts';
import { blockNode, parseQemuArguments } from './qemu-arguments.ts';
import type { QemuCommandLine } from './qemu-arguments.ts';
import { QmpRefusal, QmpServer } from './qmp-server.ts';
import type { QmpArguments } from './qmp-server.ts';
import type { WorldTruth } from './world-truth.ts';

type RunState = 'prelaunch' | 'inmigrate' | 'running' | 'paused' | 'shutdown';

/** Simulated milliseconds. */
const START_MS_MAX = 40;
const COMMAND_MS_MAX = 6;
const BOOT_MS_MAX = 3000;
const POWER_OFF_MS_MAX = 800;
const HANG_MS_MAX = 90_000;

/** What a guest of a few instructions ends QEMU by, and with, where KVM works (`vm/qemu/accelerator-trial.ts`). */
const TRIAL_DEVICE = 'isa-debug-exit,iobase=0xf4,iosize=1';
const TRIAL_EXIT_CODE = 35;

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
    if (args.includes(TRIAL_DEVICE)) return TRIAL_EXIT_CODE;
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
  readonly #held: HeldGuest;
  readonly #agentWaiting: Connection[] = [];
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
    this.#held = new HeldGuest({
      process,
      env,
      truth,
      socketPath: line.control,
      ram,
      chain: this.#chain(line.dataNode),
      onPowerOff: () => void this.#powerOff(),
      onCrash: () => this.#end('guest-panic'),
    });
    showMemory(process, line.memoryPath, ram);
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
    await this.#held.passed();
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

  #stop(): void {
    if (this.#state === 'running') {
      this.#held.stop();
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
    this.#held.run();
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
    this.#held.stop();
    this.#state = 'shutdown';
    this.#flush();
    this.#qmp.event('SHUTDOWN', { guest: true, reason });
  }

  async #save(path: string): Promise<void> {
    if (this.#state === 'running') throw new QmpRefusal('the simulated QEMU saves stopped machines only');
    try {
      const file = await this.#env.files.open(path, 'w');
      await file.write(encodeDeviceState(this.#env.compute, this.#held.state), 0);
      await file.close();
    } catch (error) {
      // No more is said of any cause, a full disk among them.
      if (isSystemError(error)) throw new QmpRefusal('An IO error has occurred');
      throw error;
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
    this.#held.catchUp();
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
    this.#held.load(state);
    this.#state = 'paused';
    this.#isAgentUp = true;
    this.#qmp.event('MIGRATION', { status: 'completed' });
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
      this.#held.agent.hangUp();
      for (let bytes = await readOrNull(connection); bytes !== null; bytes = await readOrNull(connection)) {
        while (this.#state !== 'running' || !this.#isAgentUp) await this.#resumed.promise;
        await this.#held.passed();
        this.#held.catchUp();
        const answer = this.#held.agent.take(bytes);
        await this.#env.clock.sleep(this.#held.agent.takeDelayMs());
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

  get #guest(): Guest {
    return this.#held.guest;
  }
}

function imageOf(chain: readonly Layer[]): unknown {
  const [top, ...rest] = chain;
  if (top === undefined) return undefined;
  return { filename: top.path, ...(rest.length === 0 ? {} : { 'backing-image': imageOf(rest) }) };
}
