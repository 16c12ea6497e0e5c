/** VMs on QEMU, everywhere. */
import { asError, isKelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import type { Architecture, VmConfig } from '../../snapshot/metadata.ts';
import type { BackendProbe, VmBackend, VmInstance, VmPlaces, VmRuntime } from '../instance.ts';
import { discoverAbilities } from './abilities.ts';
import type { Discovered } from './abilities.ts';
import { adopt } from './adopt.ts';
import type { LiveVm, VmContext } from './context.ts';
import { QemuDriver } from './driver.ts';
import { DrivenInstance } from '../driven-instance.ts';
import type { AdoptedVm } from '../vm-driver.ts';
import { BOOT_TIMEOUT_MS_DEFAULT } from '../limits.ts';
import { factsOf } from './machine.ts';
import { emptyRunDirectory } from '../run-directory.ts';
import { endOrphan } from '../vmm-process.ts';

export interface QemuBackendOptions {
  /** An existing private folder, for what was found out about QEMU. */
  readonly cacheDirectory: string;
  /** Other programs than those on `PATH`. */
  readonly programs?: Readonly<Partial<Record<Architecture, string>>>;
  /** From the first instruction to an answer of the guest agent; `BOOT_TIMEOUT_MS_DEFAULT` if absent. */
  readonly bootTimeoutMs?: number;
}

export function createQemuBackend(env: Env, options: QemuBackendOptions): VmBackend {
  return new QemuBackend(env, options);
}

class QemuBackend implements VmBackend {
  readonly name = 'qemu';
  readonly #env: Env;
  readonly #options: QemuBackendOptions;
  readonly #discovered = new Map<Architecture, Promise<Discovered>>();

  constructor(env: Env, options: QemuBackendOptions) {
    this.#env = env;
    this.#options = options;
  }

  async probe(): Promise<BackendProbe> {
    const architectures: readonly Architecture[] = ['x86_64', 'arm64'];
    const results = await Promise.all(architectures.map((architecture) => this.#probeOne(architecture)));
    const usable = results.flatMap(({ architecture, discovered }) =>
      discovered === null ? [] : [{ architecture, discovered }],
    );
    const native = usable.find(({ architecture }) => architecture === this.#env.host.architecture);
    const { abilities } = (native ?? usable[0])?.discovered ?? {};
    return {
      usable: usable.length > 0,
      version: abilities?.version ?? null,
      findings: results.map(({ finding }) => finding),
      accelerator: native?.discovered.abilities.accelerator ?? (usable.length > 0 ? 'tcg' : 'none'),
      architectures: usable.map(({ architecture }) => architecture),
      guests: usable.map(({ architecture, discovered }) => factsOf(discovered.abilities, architecture)),
    };
  }

  async create(id: string, config: VmConfig, places: VmPlaces): Promise<VmInstance> {
    return this.#instance(this.#contextOf(id, config, places), null);
  }

  async adopt(id: string, config: VmConfig, places: VmPlaces, runtime: VmRuntime): Promise<VmInstance> {
    const context = this.#contextOf(id, config, places);
    return this.#instance(context, await adopt(context, runtime));
  }

  async removeOrphan(runDirectory: string): Promise<void> {
    for (const { identity, args } of await this.#env.processes.list()) {
      const isQemu = args[0]?.split('/').at(-1)?.startsWith('qemu-system-') === true;
      if (!isQemu || !args.some((arg) => arg.includes(`${runDirectory}/`))) continue;
      await endOrphan(this.#env, identity);
    }
    await emptyRunDirectory(this.#env, runDirectory);
  }

  #instance(context: VmContext, adopted: AdoptedVm<LiveVm> | null): VmInstance {
    const { id, config, env } = context;
    return new DrivenInstance({ id, config, clock: env.clock, driver: new QemuDriver(context) }, adopted);
  }

  #contextOf(id: string, config: VmConfig, places: VmPlaces): VmContext {
    const abilities = async (): Promise<Discovered['abilities']> =>
      (await this.#discover(config.architecture)).abilities;
    const bootTimeoutMs = this.#options.bootTimeoutMs ?? BOOT_TIMEOUT_MS_DEFAULT;
    return { env: this.#env, id, config, places, abilities, bootTimeoutMs };
  }

  #discover(architecture: Architecture): Promise<Discovered> {
    const known = this.#discovered.get(architecture);
    if (known !== undefined) return known;
    const program = this.#options.programs?.[architecture];
    const discovering = discoverAbilities(this.#env, architecture, this.#options.cacheDirectory, program);
    this.#discovered.set(architecture, discovering);
    // What is installed or repaired later is found later.
    discovering.catch(() => this.#discovered.delete(architecture));
    return discovering;
  }

  async #probeOne(architecture: Architecture): Promise<{
    readonly architecture: Architecture;
    readonly discovered: Discovered | null;
    readonly finding: string;
  }> {
    try {
      const discovered = await this.#discover(architecture);
      const { abilities, notAccelerated } = discovered;
      const speed = notAccelerated ?? `${abilities.accelerator} works`;
      return { architecture, discovered, finding: `${abilities.program} ${abilities.version}: ${speed}.` };
    } catch (error) {
      const finding = isKelpieError(error)
        ? error.message
        : `QEMU cannot be asked: ${asError(error).message}`;
      return { architecture, discovered: null, finding };
    }
  }
}
