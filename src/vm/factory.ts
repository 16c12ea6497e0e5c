import { KelpieError } from '../base/errors.ts';
import type { BackendProbe, VmBackend, WantedVm } from './instance.ts';

export interface ChosenBackend {
  readonly backend: VmBackend;
  readonly probe: BackendProbe;
}

/** Picks what runs VMs on this host. It never picks a fake: a simulated backend is only there when its maker passed it in. */
export class VmFactory {
  readonly #backends: readonly VmBackend[];
  readonly #preferred: VmBackend['name'] | null;

  /**
   * @param backends in the order of preference.
   * @param preferred the only one that new VMs are made on; null: whichever is usable first.
   */
  constructor(backends: readonly VmBackend[], preferred: VmBackend['name'] | null = null) {
    this.#backends = backends;
    this.#preferred = preferred;
  }

  /**
   * The first backend that this host can use, and that runs such a VM.
   * @throws KelpieError `backend_unavailable` with what each of them lacks.
   */
  async forHost(wanted: WantedVm | null = null): Promise<ChosenBackend> {
    const findings: string[] = [];
    for (const backend of this.#backends) {
      if (this.#preferred !== null && backend.name !== this.#preferred) continue;
      const found = await this.#examine(backend, wanted);
      const isPicked = this.#preferred !== null || found.probe.isByNameOnly !== true;
      if (found.lacks.length === 0 && isPicked) return found;
      findings.push(...(found.lacks.length > 0 ? found.lacks : found.probe.findings));
    }
    throw new KelpieError('backend_unavailable', `no VM can run on this host. ${findings.join(' ')}`, {
      data: { findings },
    });
  }

  /**
   * The backend that somebody asked for by its name, for a new VM.
   * @throws KelpieError `backend_unavailable` with what it lacks.
   */
  async forVm(name: VmBackend['name'], wanted: WantedVm): Promise<ChosenBackend> {
    const found = await this.#examine(this.byName(name), wanted);
    const { lacks } = found;
    if (lacks.length === 0) return found;
    throw new KelpieError('backend_unavailable', `${name} cannot run this VM here. ${lacks.join(' ')}`, {
      data: { findings: lacks },
    });
  }

  async #examine(
    backend: VmBackend,
    wanted: WantedVm | null,
  ): Promise<ChosenBackend & { readonly lacks: readonly string[] }> {
    const probe = await backend.probe();
    if (!probe.usable) return { backend, probe, lacks: probe.findings };
    const refusal = wanted === null ? null : ((await backend.refusal?.(wanted)) ?? null);
    return { backend, probe, lacks: refusal === null ? [] : [refusal] };
  }

  /**
   * The backend that a VM was made on; another one cannot go on with it.
   * @throws KelpieError `backend_unavailable`.
   */
  byName(name: VmBackend['name']): VmBackend {
    const backend = this.#backends.find((candidate) => candidate.name === name);
    if (backend !== undefined) return backend;
    throw new KelpieError(
      'backend_unavailable',
      `this VM runs on ${name}, which this version of Kelpie does not have here.`,
    );
  }
}
