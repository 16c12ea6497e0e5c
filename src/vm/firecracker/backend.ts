/** VMs on Firecracker: Linux hosts with KVM. */
import { asError, isKelpieError, KelpieError } from '../../base/errors.ts';
import type { Env } from '../../env/env.ts';
import type { VmConfig } from '../../snapshot/metadata.ts';
import { DrivenInstance } from '../driven-instance.ts';
import type { BackendProbe, VmBackend, VmInstance, VmPlaces, VmRuntime, WantedVm } from '../instance.ts';
import { BOOT_TIMEOUT_MS_DEFAULT } from '../limits.ts';
import { emptyRunDirectory } from '../run-directory.ts';
import type { AdoptedVm } from '../vm-driver.ts';
import { endOrphan } from '../vmm-process.ts';
import { checkJailer, discoverAbilities } from './abilities.ts';
import type { FirecrackerAbilities } from './abilities.ts';
import { adopt } from './adopt.ts';
import type { JailOptions } from './command-line.ts';
import type { LiveVm, VmContext } from './context.ts';
import { FirecrackerDriver } from './driver.ts';
import { findKvmProblem } from './explain-refusal.ts';
import { tryKvm } from './kvm-trial.ts';
import { factsOf, refusalOf } from './machine.ts';
import { tellsHoles } from './memory-file.ts';
import { findNetwork, networkFinding } from './network.ts';
import { NetworkLookup } from './network-lookup.ts';
import type { NetworkOptions } from './network.ts';
import { findOrphans } from './orphans.ts';
import { releaseHost } from './start-process.ts';
import { isNewerThanKnown, versionText } from './version.ts';

export interface FirecrackerBackendOptions {
  /** An existing private folder, for kernels that were unpacked. */
  readonly cacheDirectory: string;
  /**
   * A program instead of `firecracker` on the `PATH`. It is never chosen by itself, and used as it is by whoever asks for the backend by
   * its name: that KVM works here is for them to know.
   */
  readonly program?: string;
  /** Absent: VMs are not caged. */
  readonly jail?: JailOptions;
  /** Absent: VMs have no network. */
  readonly network?: NetworkOptions;
  /** From the first instruction to an answer of the guest agent; `BOOT_TIMEOUT_MS_DEFAULT` if absent. */
  readonly bootTimeoutMs?: number;
}

export function createFirecrackerBackend(env: Env, options: FirecrackerBackendOptions): VmBackend {
  return new FirecrackerBackend(env, options);
}

class FirecrackerBackend implements VmBackend {
  readonly name = 'firecracker';
  readonly #env: Env;
  readonly #options: FirecrackerBackendOptions;
  #abilities: Promise<FirecrackerAbilities> | null = null;
  #probe: Promise<BackendProbe> | null = null;
  readonly #network: NetworkLookup;
  readonly #tellsHoles = new Map<string, Promise<boolean>>();

  constructor(env: Env, options: FirecrackerBackendOptions) {
    this.#env = env;
    this.#options = options;
    this.#network = new NetworkLookup(env.clock, () => findNetwork(env, options.network ?? null));
  }

  async probe(): Promise<BackendProbe> {
    this.#probe ??= this.#examine();
    const probe = await this.#probe;
    // What is installed or repaired later is found later.
    if (!probe.usable) this.#probe = null;
    return probe.usable ? this.#withNetwork(probe) : probe;
  }

  async refusal(wanted: WantedVm): Promise<string | null> {
    const abilities = await this.#discover();
    return refusalOf(wanted, this.#env.host.architecture, abilities, await this.#network.network());
  }

  async create(id: string, config: VmConfig, places: VmPlaces): Promise<VmInstance> {
    return this.#instance(this.#contextOf(id, config, places), null);
  }

  async adopt(id: string, config: VmConfig, places: VmPlaces, runtime: VmRuntime): Promise<VmInstance> {
    const context = this.#contextOf(id, config, places);
    return this.#instance(context, await adopt(context, runtime));
  }

  async removeOrphan(runDirectory: string): Promise<void> {
    const env = this.#env;
    const orphans = await findOrphans(env, runDirectory);
    for (const identity of orphans) await endOrphan(env, identity);
    await releaseHost({ env, runDirectory, jail: this.#options.jail ?? null });
    // Where none is found the files may be those of another backend's VM, which runs.
    if (orphans.length > 0) await emptyRunDirectory(env, runDirectory);
  }

  async #examine(): Promise<BackendProbe> {
    const { architecture, platform } = this.#env.host;
    if (platform !== 'linux') return unusable(null, ['Firecracker runs on Linux only.']);
    try {
      const abilities = await this.#discover();
      const { program, version } = abilities;
      const found = `${program} ${versionText(version)}`;
      const newer = isNewerThanKnown(version)
        ? ['It is newer than this Kelpie knows: what it does differently may fail.']
        : [];
      const isNamed = this.#options.program !== undefined;
      const problem = isNamed ? null : await this.#kvmProblem(program);
      if (problem !== null) return unusable(versionText(version), [`${found}: ${problem}.`, ...newer]);
      const kvm = isNamed ? 'was named, so it is used by name alone and KVM was not tried.' : 'KVM works.';
      return {
        usable: true,
        isByNameOnly: isNamed,
        version: versionText(version),
        findings: [`${found}: ${kvm}`, ...newer, ...this.#jailFindings()],
        accelerator: 'kvm',
        architectures: [architecture],
        guests: [],
      };
    } catch (error) {
      return unusable(null, [
        isKelpieError(error) ? error.message : `Firecracker cannot be asked: ${asError(error).message}.`,
      ]);
    }
  }

  async #withNetwork(probe: BackendProbe): Promise<BackendProbe> {
    try {
      const network = await this.#network.network();
      const abilities = await this.#discover();
      const facts = factsOf(abilities, this.#env.host.architecture, { isKvmUsable: true, network });
      return { ...probe, findings: [...probe.findings, networkFinding(network)], guests: [facts] };
    } catch (error) {
      const finding = `What VMs can have a network by cannot be told: ${asError(error).message}`;
      return { ...probe, usable: false, findings: [...probe.findings, finding] };
    }
  }

  async #kvmProblem(program: string): Promise<string | null> {
    const problem = await findKvmProblem(this.#env);
    if (problem !== null) return problem.text;
    const why = await tryKvm(this.#env, program, this.#options.cacheDirectory);
    return why === null
      ? null
      : `/dev/kvm is there, but no guest runs with it (${why}): a host or cloud instance with working virtualization is needed`;
  }

  #jailFindings(): readonly string[] {
    const { jail } = this.#options;
    if (jail === undefined) return ['VMs run without a jailer, as the user of the daemon.'];
    return [`VMs are caged by ${jail.program}, as user ${jail.uid} and group ${jail.gid}.`];
  }

  #discover(): Promise<FirecrackerAbilities> {
    if (this.#abilities !== null) return this.#abilities;
    const discovering = this.#ask();
    this.#abilities = discovering;
    discovering.catch(() => {
      this.#abilities = null;
    });
    return discovering;
  }

  async #ask(): Promise<FirecrackerAbilities> {
    const { program = 'firecracker', jail } = this.#options;
    const abilities = await discoverAbilities(this.#env, program);
    if (jail === undefined) return abilities;
    if (this.#env.host.uid !== 0) {
      const message =
        'Firecracker’s jailer must be started by root: run the daemon as root, or without a jailer.';
      throw new KelpieError('permission_denied', message);
    }
    await checkJailer(this.#env, jail.program, abilities.version);
    return abilities;
  }

  #instance(context: VmContext, adopted: AdoptedVm<LiveVm> | null): VmInstance {
    const { id, config, env } = context;
    return new DrivenInstance(
      { id, config, clock: env.clock, driver: new FirecrackerDriver(context) },
      adopted,
    );
  }

  #contextOf(id: string, config: VmConfig, places: VmPlaces): VmContext {
    const { cacheDirectory, jail = null, bootTimeoutMs = BOOT_TIMEOUT_MS_DEFAULT } = this.#options;
    return {
      env: this.#env,
      id,
      config,
      places,
      bootTimeoutMs,
      network: () => this.#network.network(),
      jail,
      cacheDirectory,
      abilities: () => this.#discover(),
      tellsHoles: () => this.#tellsHolesIn(places.blobDirectory),
    };
  }

  #tellsHolesIn(directory: string): Promise<boolean> {
    const known = this.#tellsHoles.get(directory);
    if (known !== undefined) return known;
    const asking = tellsHoles(this.#env, directory);
    this.#tellsHoles.set(directory, asking);
    asking.catch(() => this.#tellsHoles.delete(directory));
    return asking;
  }
}

function unusable(version: string | null, findings: readonly string[]): BackendProbe {
  return { usable: false, version, findings, accelerator: 'none', architectures: [], guests: [] };
}
