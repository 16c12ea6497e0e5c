import { readFileSync } from 'node:fs';

const SAMPLE_MS = 20;

/** How much memory a process has resident, sampled while it is watched. */
export class ResidentMemory {
  readonly samplesMb: number[] = [];
  readonly #pid: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(pid: number) {
    this.#pid = pid;
  }

  watch(): void {
    this.#timer ??= setInterval(() => this.samplesMb.push(this.#read('VmRSS')), SAMPLE_MS);
  }

  rest(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The most that the process ever had. */
  get peakMb(): number {
    return this.#read('VmHWM');
  }

  #read(field: string): number {
    const status = readFileSync(`/proc/${this.#pid}/status`, 'utf8');
    const [, kib] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status) ?? [];
    if (kib === undefined) throw new Error(`process ${this.#pid} has no ${field}`);
    return (Number(kib) * 1024) / 1e6;
  }
}
