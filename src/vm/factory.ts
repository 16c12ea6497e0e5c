import { KelpieError } from '../base/errors.ts';
import type { BackendProbe, VmBackend } from './instance.ts';

export interface ChosenBackend {
  readonly backend: VmBackend;
  readonly probe: BackendProbe;
}

/** Picks what runs VMs on this host. It never picks a fake: a simulated backend is only there when its maker passed it in. */
export class VmFactory {
  readonly #backends: readonly VmBackend[];

  /** @param backends in the order of preference. */
  constructor(backends: readonly VmBackend[]) {
    this.#backends = backends;
  }

  /**
   * The first backend that this host can use.
   * @throws KelpieError `backend_unavailable` with what each of them lacks.
   */
  async forHost(): Promise<ChosenBackend> {
    const findings: string[] = [];
    for (const backend of this.#backends) {
      const probe = await backend.probe();
      if (probe.usable) return { backend, probe };
      findings.push(...probe.findings);
    }
    throw new KelpieError('backend_unavailable', `no VM can run on this host. ${findings.join(' ')}`, {
      data: { findings },
    });
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
