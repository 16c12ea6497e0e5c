/**
 * The guest's agent at the wire (`docs/PROTOCOL.md`), as far as hosts without a person need it: greeting, health, repair, sync, power-off, what a path is, and
 * the commands of `guest-programs.ts`, each of which does all it does at once.
 */
import { z } from 'zod';
import { concat, equalBytes, fromUtf8, utf8, viewOf } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { PureCompute } from '../../env/compute.ts';
import { encodeFrame, FRAME_HEADER_BYTES, frameTypes } from '../../guest/frame.ts';
import type { FrameType } from '../../guest/frame.ts';
import { FRAME_PAYLOAD_BYTES_MAX } from '../../guest/limits.ts';
import {
  channelHeader,
  helloPayload,
  NONCE_BYTES,
  readChannelPayload,
  streams,
} from '../../guest/payloads.ts';
import type { FaultName } from '../fault-names.ts';
import type { Strike } from '../faults.ts';
import { parseJson } from '../parse-json.ts';
import { EndlessCommands } from './endless-commands.ts';
import type { Guest } from './guest.ts';
import { fileType, findProgram } from './guest-programs.ts';
import type { Program } from './guest-programs.ts';

const FRAME_START = 0x4b;
const CRC_BYTES = 4;
const NOISE_BYTES_MAX = 300;
/** Longer than a call waits; over by the time that rest has come and VMs are looked at. */
const EXEC_MS_MAX = 45_000;
/** Of a command. */
const INPUT_BYTES_MAX = 1024 * 1024;
/** Of 32 bytes in Base64. */
const SEED_LENGTH_MIN = 44;

interface GuestRequest {
  readonly id: number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

const requestSchema: z.ZodType<GuestRequest> = z.object({
  id: z.number(),
  method: z.string(),
  params: z.exactOptional(z.record(z.string(), z.unknown())),
});

const firstCreditSchema = z.object({ attach: z.object({ stdoutLimit: z.int().nonnegative() }) });

/** What the agent needs of the machine that it runs in. */
export interface AgentWorld {
  readonly compute: PureCompute;
  readonly guest: Guest;
  readonly unixMs: () => number;
  readonly hit: (name: FaultName) => Strike | null;
  readonly powerOff: () => void;
  /** Randomness that guests were given; no two get the same. */
  readonly seeds: Set<string>;
  /** By machine-id that a copy was given: the copy. No two have one. */
  readonly machineIds: Map<string, string>;
  readonly violated: (oracle: string, what: string) => void;
  readonly mark: (name: string) => void;
}

export class GuestAgentEnd {
  readonly #world: AgentWorld;
  #input: Bytes = new Uint8Array(0);
  #isSynced = false;
  #sessions = 0;
  /** Commands that read their input, by session. */
  readonly #reading = new Map<number, { readonly program: Program; input: Bytes }>();
  readonly #endless = new EndlessCommands((type, ...parts) => this.#frame(type, ...parts));
  #delayMs = 0;

  constructor(world: AgentWorld) {
    this.#world = world;
  }

  /** The host's side went away or came: whoever speaks next greets first. */
  hangUp(): void {
    this.#isSynced = false;
  }

  /** How long what went out last takes. */
  takeDelayMs(): number {
    const delayMs = this.#delayMs;
    this.#delayMs = 0;
    return delayMs;
  }

  /** Takes what came in; gives what goes out. */
  take(bytes: Bytes): Bytes {
    const answer = this.#takeAll(bytes);
    if (answer.byteLength === 0 || this.#isStruck('guest_silence')) return new Uint8Array(0);
    const noise = this.#world.hit('guest_noise');
    return noise === null
      ? answer
      : concat([noise.random.bytes(noise.random.between(1, NOISE_BYTES_MAX)), answer]);
  }

  #takeAll(bytes: Bytes): Bytes {
    this.#input = concat([this.#input, bytes]);
    const out: Bytes[] = [];
    for (;;) {
      const start = this.#input.indexOf(FRAME_START);
      if (start === -1) {
        this.#input = new Uint8Array(0);
        return concat(out);
      }
      this.#input = this.#input.subarray(start);
      const frame = this.#takeFrame();
      if (frame === 'incomplete') return concat(out);
      if (frame === 'broken') {
        this.#isSynced = false;
        this.#input = this.#input.subarray(1);
      } else out.push(...this.#answer(frame));
    }
  }

  #takeFrame(): { readonly type: number; readonly payload: Bytes } | 'incomplete' | 'broken' {
    if (this.#input.byteLength < FRAME_HEADER_BYTES) return 'incomplete';
    const view = viewOf(this.#input);
    const length = view.getUint32(4, true);
    if (view.getUint16(2, true) !== 0 || length > FRAME_PAYLOAD_BYTES_MAX) return 'broken';
    const end = FRAME_HEADER_BYTES + length;
    if (this.#input.byteLength < end + CRC_BYTES) return 'incomplete';
    if (view.getUint32(end, true) !== this.#world.compute.crc32(this.#input.subarray(0, end)))
      return 'broken';
    const frame = { type: view.getUint8(1), payload: this.#input.slice(FRAME_HEADER_BYTES, end) };
    this.#input = this.#input.subarray(end + CRC_BYTES);
    return frame;
  }

  #answer({ type, payload }: { readonly type: number; readonly payload: Bytes }): readonly Bytes[] {
    if (type === frameTypes.hello) return this.#welcome(payload);
    if (!this.#isSynced) return [];
    if (type === frameTypes.data || type === frameTypes.end) return this.#takeInput(type, payload);
    if (type === frameTypes.credit) return this.#takeCredit(payload);
    if (type !== frameTypes.request) return [];
    return this.#call(parseJson(requestSchema, fromUtf8(payload)));
  }

  #welcome(hello: Bytes): readonly Bytes[] {
    const nonce = hello.slice(hello.byteLength - NONCE_BYTES);
    if (!equalBytes(hello, helloPayload(nonce))) return [];
    this.#isSynced = true;
    const versions = new Uint8Array(8);
    viewOf(versions).setUint32(0, 1, true);
    viewOf(versions).setUint32(4, this.#world.guest.generation, true);
    return [this.#frame(frameTypes.welcome, nonce, versions, this.#world.guest.bootId)];
  }

  #call(request: GuestRequest): readonly Bytes[] {
    const { guest } = this.#world;
    switch (request.method) {
      case 'system.health':
        return [this.#result(request, this.#health())];
      case 'system.repair':
        return [this.#repair(request)];
      case 'system.setClock':
        return [this.#result(request, { clockStepMs: 0 })];
      case 'system.sync':
        return [this.#result(request, {})];
      case 'system.powerOff':
        this.#world.powerOff();
        return [this.#result(request, {})];
      case 'exec.start':
        if (guest.isRepairNeeded)
          this.#world.violated('repair', `${guest.vmKey} was handed out before its identity was repaired`);
        return this.#exec(request);
      case 'exec.signal':
      case 'exec.detach':
        return this.#endSession(request);
      case 'file.stat':
        return [this.#stat(request)];
      default:
        return [this.#failure(request, -32601, 'unknown_method')];
    }
  }

  #repair(request: GuestRequest): Bytes {
    const { guest } = this.#world;
    const generation = Number(request.params?.['generation']);
    if (this.#isStruck('guest_repair_fail')) return this.#failure(request, 3, 'os');
    if (!(generation > guest.generation)) return this.#failure(request, -32602, 'invalid_params');
    this.#checkSeed(request.params?.['seed']);
    if (guest.isCopy) this.#checkNames(request.params?.['hostname'], request.params?.['machineId']);
    guest.setGeneration(generation);
    guest.isRepairNeeded = false;
    return this.#result(request, { clockStepMs: 0, generation });
  }

  #checkSeed(seed: unknown): void {
    const { guest, seeds, violated } = this.#world;
    if (typeof seed !== 'string' || seed.length < SEED_LENGTH_MIN || seeds.has(seed))
      return violated('repair', `${guest.vmKey} was given randomness that another restore had, or none`);
    seeds.add(seed);
  }

  #checkNames(hostname: unknown, machineId: unknown): void {
    const { guest, machineIds, violated } = this.#world;
    const isNamed = typeof hostname === 'string' && typeof machineId === 'string';
    if (!isNamed || !/^[0-9a-f]{32}$/.test(machineId))
      return violated('repair', `${guest.vmKey} goes on with the names of the VM that it is a copy of`);
    const other = machineIds.get(machineId) ?? guest.vmKey;
    if (other !== guest.vmKey)
      return violated('repair', `${guest.vmKey} was given the machine-id of ${other}`);
    machineIds.set(machineId, guest.vmKey);
  }

  #exec(request: GuestRequest): readonly Bytes[] {
    if (this.#isStruck('exec_fail')) return [this.#failure(request, 3, 'os')];
    const slow = this.#world.hit('exec_timeout');
    this.#delayMs = slow === null ? 0 : slow.random.fraction() * EXEC_MS_MAX;
    const argv: unknown = request.params?.['argv'];
    const program = findProgram(this.#world, Array.isArray(argv) ? argv : []);
    if (program === null) return [this.#failure(request, 4, 'not_executable')];
    this.#sessions += 1;
    const session = this.#sessions;
    const started = this.#result(request, { session, pid: 100 + session });
    if (program.endlessness !== null)
      return [started, ...this.#endless.start(session, program.endlessness, firstCredit(request))];
    if (!program.readsInput) return [started, ...this.#ended(session, program, new Uint8Array(0))];
    this.#reading.set(session, { program, input: new Uint8Array(0) });
    const credit = channelHeader({ channel: session, stream: streams.stdin, position: INPUT_BYTES_MAX });
    return [started, this.#frame(frameTypes.credit, credit)];
  }

  #takeInput(type: number, payload: Bytes): readonly Bytes[] {
    const { header, bytes } = readChannelPayload(payload);
    const reading = this.#reading.get(header.channel);
    if (reading === undefined) return [];
    reading.input = concat([reading.input, bytes]);
    if (type === frameTypes.data) return [];
    this.#reading.delete(header.channel);
    return this.#ended(header.channel, reading.program, reading.input);
  }

  #ended(session: number, program: Program, input: Bytes): readonly Bytes[] {
    const { output, code, messages } = program.end(input);
    const header = (stream: 1 | 2, position: number): Bytes =>
      channelHeader({ channel: session, stream, position });
    const exited = { jsonrpc: '2.0', method: 'exec.exited', params: { session, exit: { code } } };
    const written = (stream: 1 | 2, bytes: Bytes): readonly Bytes[] => [
      ...(bytes.byteLength === 0 ? [] : [this.#frame(frameTypes.data, header(stream, 0), bytes)]),
      this.#frame(frameTypes.end, header(stream, bytes.byteLength)),
    ];
    return [
      ...written(streams.stdout, output),
      ...written(streams.stderr, messages),
      this.#frame(frameTypes.event, utf8(JSON.stringify(exited))),
    ];
  }

  #takeCredit(payload: Bytes): readonly Bytes[] {
    const { header } = readChannelPayload(payload);
    return header.stream === streams.stdout ? this.#endless.credit(header.channel, header.position) : [];
  }

  /** Killed or let go: nobody here looks at a command again that nobody looks at. */
  #endSession(request: GuestRequest): readonly Bytes[] {
    const session = Number(request.params?.['session']);
    const killed = this.#endless.kill(session);
    if (killed !== null) return [this.#result(request, {}), ...killed];
    const isThere = this.#reading.delete(session);
    return [isThere ? this.#result(request, {}) : this.#failure(request, 1, 'not_found')];
  }

  #stat(request: GuestRequest): Bytes {
    const type = fileType(request.params?.['path']);
    if (type === null) return this.#failure(request, 1, 'not_found');
    return this.#result(request, { type, sizeBytes: 0, mode: 0o755, uid: 0, gid: 0, modifiedAtUnixMs: 0 });
  }

  #health(): unknown {
    const { guest } = this.#world;
    const facts = {
      version: '0.1.0',
      protocol: 1,
      architecture: 'x86_64',
      kernel: '6.1',
      imageVersion: '1.0.0',
    };
    const numbers = {
      uptimeMs: guest.count,
      unixMs: this.#world.unixMs(),
      sessions: 0,
      memoryTotalBytes: 1,
      memoryAvailableBytes: 1,
    };
    return { ...facts, ...numbers, bootId: guest.bootIdHex, generation: guest.generation };
  }

  #result({ id }: GuestRequest, result: unknown): Bytes {
    return this.#frame(frameTypes.response, utf8(JSON.stringify({ jsonrpc: '2.0', id, result })));
  }

  #failure({ id }: GuestRequest, code: number, reason: string): Bytes {
    const error = { code, message: reason, data: { reason } };
    return this.#frame(frameTypes.response, utf8(JSON.stringify({ jsonrpc: '2.0', id, error })));
  }

  #isStruck(name: FaultName): boolean {
    return this.#world.hit(name) !== null;
  }

  #frame(type: FrameType, ...parts: readonly Bytes[]): Bytes {
    return encodeFrame(this.#world.compute, type, ...parts);
  }
}

/** How much of a command's output whoever starts it takes at first. */
function firstCredit({ params }: GuestRequest): number {
  return firstCreditSchema.parse(params).attach.stdoutLimit;
}
