/** What a Firecracker does wrong with a call: it dies, refuses for reasons of its own, answers late, or not as it should. */
import type { Env } from '../../../env/env.ts';
import type { FaultName } from '../../fault-names.ts';
import type { Strike } from '../../faults.ts';
import type { HttpAnswer, HttpRequest } from '../../firecracker/handlers.ts';
import type { SimProcess } from '../../process.ts';

const HANG_MS_MAX = 90_000;

/** An answer; or how what comes is none. */
export type Reply = HttpAnswer | 'dropped' | 'cut' | 'garbage';

interface Refusal {
  readonly fault: FaultName;
  /** Of the request. */
  readonly line: RegExp;
  /** Of its body. */
  readonly body?: RegExp;
  /** One of them is told. */
  readonly texts: readonly string[];
  /** The process ends with it. */
  readonly isFatal?: true;
}

/** What each call may be refused with though it is right, in Firecracker's words. */
const refusals: readonly Refusal[] = [
  {
    fault: 'vm_pause_fail',
    line: /^PATCH \/vm$/,
    body: /"Paused"/,
    texts: ['Internal VMM error: Failed to pause the vCPUs.'],
  },
  {
    fault: 'vm_resume_fail',
    line: /^PATCH \/vm$/,
    body: /"Resumed"/,
    texts: ['Internal VMM error: Failed to resume the vCPUs.'],
  },
  {
    fault: 'snapshot_create_fail',
    line: /^PUT \/snapshot\/create$/,
    texts: [
      'Create snapshot error: Cannot save the microVM state: Cannot save the state of a vCPU: Invalid argument (os error 22)',
      'Create snapshot error: Cannot perform write on the memory backing file: No space left on device (os error 28)',
    ],
  },
  {
    fault: 'vm_config_refused',
    line: /^PUT \/actions$/,
    body: /"InstanceStart"/,
    texts: [
      'Start microvm error: Memory error: Cannot create the memory region: Cannot allocate memory (os error 12)',
      'Start microvm error: Cannot create a KVM VM: Device or resource busy (os error 16)',
    ],
  },
  {
    fault: 'vm_config_refused',
    line: /^PUT \/snapshot\/load$/,
    texts: [
      'Load snapshot error: Failed to restore from snapshot: Failed to load guest memory: Error creating guest memory from file: Failed to map the file: Cannot allocate memory (os error 12)',
      'Load snapshot error: Failed to restore from snapshot: Failed to build microVM from snapshot: Cannot create a KVM VM: Device or resource busy (os error 16)',
    ],
    isFatal: true,
  },
  {
    fault: 'vm_config_refused',
    line: /^PUT \/drives\//,
    texts: [
      'Drive config error: Unable to create the virtio block device: Virtio backend error: Error manipulating the backing file: Input/output error (os error 5)',
    ],
  },
  {
    fault: 'vm_config_refused',
    line: /^PUT \/(?:logger|metrics)$/,
    texts: ['Logger error: Failed to open target file: Permission denied (os error 13)'],
  },
];

export class ApiTroubles {
  readonly #process: SimProcess;
  readonly #env: Env;
  /** The process is about to end by itself. */
  readonly #onDeath: () => void;

  constructor(process: SimProcess, env: Env, onDeath: () => void) {
    this.#process = process;
    this.#env = env;
    this.#onDeath = onDeath;
  }

  /** Does what a call asks for, unless that is to go wrong. @param onFatal called when the process is to end after the answer. */
  async around(request: HttpRequest, act: () => Promise<HttpAnswer>, onFatal: () => void): Promise<Reply> {
    const hang = this.#hit('vmm_hang');
    const isLate = hang?.random.chance(0.5) === true;
    if (hang !== null && !isLate) await this.#hang(hang);
    const death = this.#hit('vmm_call_crash');
    if (death?.random.chance(0.5) === true) return this.#die();
    const garbled = this.#hit('vmm_answer_garbled');
    const answer = this.#refusal(request, onFatal) ?? (await act());
    if (death !== null) return this.#die();
    if (hang !== null && isLate) await this.#hang(hang);
    return garbled === null ? answer : garbled.random.pick(['dropped', 'cut', 'garbage'] as const);
  }

  #refusal({ method, path, body }: HttpRequest, onFatal: () => void): HttpAnswer | null {
    const found = refusals.find(
      (refusal) => refusal.line.test(`${method} ${path}`) && (refusal.body?.test(body ?? '') ?? true),
    );
    const strike = found === undefined ? null : this.#hit(found.fault);
    if (found === undefined || strike === null) return null;
    if (found.isFatal === true) onFatal();
    return { status: 400, json: { fault_message: strike.random.pick(found.texts) }, isDeprecated: false };
  }

  async #hang(strike: Strike): Promise<void> {
    await this.#env.clock.sleep(strike.random.fraction() ** 2 * HANG_MS_MAX);
  }

  #die(): Promise<never> {
    this.#onDeath();
    this.#process.machine.kill(this.#process);
    return Promise.withResolvers<never>().promise;
  }

  #hit(name: FaultName): Strike | null {
    return this.#process.machine.faults.hit(name, this.#process.label);
  }
}
