/** The simulated Firecracker's log and metrics. */
import type { ApiLog, ApiMetrics, LogSettings } from '../../firecracker/handlers.ts';
import type { Machine } from '../../machine.ts';
import { appendText, tryAppendText } from './text-file.ts';

export class SimLog implements ApiLog {
  readonly #machine: Machine;
  readonly #at: (path: string) => string;
  #path: string | null;

  /** @param path where it goes until it is told otherwise: standard output; null when nobody reads that. */
  constructor(machine: Machine, at: (path: string) => string, path: string | null) {
    this.#machine = machine;
    this.#at = at;
    this.#path = path;
  }

  configure({ path }: LogSettings): void {
    if (path === null) return;
    appendText(this.#machine, this.#at(path), '');
    this.#path = this.#at(path);
  }

  write(_level: 'info' | 'error', message: string): void {
    this.tryWrite(message);
  }

  /** False when it is lost. */
  tryWrite(message: string): boolean {
    if (this.#path === null) return false;
    const at = this.#machine.scheduler.nowMs.toFixed(3);
    return tryAppendText(this.#machine, this.#path, `${at} ${message}\n`);
  }
}

export class SimMetrics implements ApiMetrics {
  readonly #machine: Machine;
  readonly #at: (path: string) => string;
  #path: string | null = null;
  #requests = 0;

  constructor(machine: Machine, at: (path: string) => string) {
    this.#machine = machine;
    this.#at = at;
  }

  get isConfigured(): boolean {
    return this.#path !== null;
  }

  configure(path: string): void {
    appendText(this.#machine, this.#at(path), '');
    this.#path = this.#at(path);
  }

  countRequest(): void {
    this.#requests += 1;
  }

  latency(): void {
    // Nobody looks at how long a simulated call took.
  }

  flush(): void {
    if (this.#path === null) return;
    appendText(this.#machine, this.#path, `${JSON.stringify({ requests: this.#requests })}\n`);
  }
}
