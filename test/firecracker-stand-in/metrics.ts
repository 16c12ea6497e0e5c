/** A part of Firecracker's metrics: how often each request came and was refused, and how long the long ones took. */
import { appendFileSync } from 'node:fs';
import type { ApiMetrics } from '../../src/sim/firecracker/handlers.ts';
import { hostPath } from './paths.ts';
import type { Jail } from './settings.ts';

/** The name of a request in the metrics, by the first part of its path. */
const subjects: Readonly<Record<string, string>> = {
  actions: 'actions',
  balloon: 'balloon',
  'boot-source': 'boot_source',
  'cpu-config': 'cpu_cfg',
  drives: 'drive',
  logger: 'logger',
  'machine-config': 'machine_cfg',
  metrics: 'metrics',
  mmds: 'mmds',
  'network-interfaces': 'network',
  vsock: 'vsock',
};

type Counters = Record<string, number>;

export class Metrics implements ApiMetrics {
  readonly #jail: Jail | null;
  readonly #requests: Record<string, Counters> = {};
  readonly #latenciesUs: Counters = {};
  #path: string | null = null;

  constructor(jail: Jail | null) {
    this.#jail = jail;
  }

  get isConfigured(): boolean {
    return this.#path !== null;
  }

  configure(path: string): void {
    const at = hostPath(path, this.#jail);
    appendFileSync(at, '');
    this.#path = at;
  }

  countRequest(method: string, path: string, isRefused: boolean): void {
    const subject = subjects[path.split('/')[1] ?? ''];
    if (subject === undefined) return;
    const counters = (this.#requests[`${method.toLowerCase()}_api_requests`] ??= {});
    const name = `${subject}_${isRefused ? 'fails' : 'count'}`;
    counters[name] = (counters[name] ?? 0) + 1;
  }

  latency(name: string, elapsedMs: number): void {
    this.#latenciesUs[name] = Math.round(elapsedMs * 1000);
  }

  flush(): void {
    if (this.#path === null) return;
    const line = { utc_timestamp_ms: Date.now(), ...this.#requests, latencies_us: this.#latenciesUs };
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }
}
