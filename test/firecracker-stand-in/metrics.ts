/** A part of Firecracker's metrics: how often each request came and was refused, and how long the long ones took. */
import { appendFileSync } from 'node:fs';

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

export class Metrics {
  readonly #requests: Record<string, Counters> = {};
  readonly #latenciesUs: Counters = {};
  #path: string | null = null;

  get isConfigured(): boolean {
    return this.#path !== null;
  }

  /** @throws Error of the system when the file cannot be written. */
  configure(path: string): void {
    appendFileSync(path, '');
    this.#path = path;
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

  /** One line of JSON; nothing when no file was named. */
  flush(): void {
    if (this.#path === null) return;
    const line = { utc_timestamp_ms: Date.now(), ...this.#requests, latencies_us: this.#latenciesUs };
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }
}
