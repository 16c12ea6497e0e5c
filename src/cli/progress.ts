/**
 * Progress of long steps on stderr: a bar that is drawn over itself on a terminal, plain lines elsewhere.
 * With `--json` and without a terminal nothing is shown: a script reads the result.
 */
import { formatBytes } from '../base/units.ts';
import type { Clock } from '../env/clock.ts';
import type { Terminal } from '../env/terminal.ts';

export interface ProgressStep {
  readonly phase: string;
  readonly item: string | null;
  readonly doneBytes: number | null;
  readonly totalBytes: number | null;
}

const REDRAW_MS = 100;
const PLAIN_LINE_MS = 2000;
const BAR_WIDTH = 24;

export class Progress {
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  readonly #isQuiet: boolean;
  #label = '';
  #labelStartedMs = 0;
  #drawnMs = 0;
  #isLineOpen = false;

  constructor(terminal: Terminal, clock: Clock, options: { readonly isJson: boolean }) {
    this.#terminal = terminal;
    this.#clock = clock;
    this.#isQuiet = options.isJson && !terminal.isErrorTty;
  }

  /** Shows a step. Many steps in a short time are drawn once. */
  async show(step: ProgressStep): Promise<void> {
    if (this.#isQuiet) return;
    const label = step.item === null ? step.phase : `${step.phase} ${step.item}`;
    const nowMs = this.#clock.monotonicMs();
    const isNew = label !== this.#label;
    if (isNew) {
      this.#label = label;
      this.#labelStartedMs = nowMs;
    }
    const isComplete = step.doneBytes !== null && step.doneBytes === step.totalBytes;
    const intervalMs = this.#terminal.isErrorTty ? REDRAW_MS : PLAIN_LINE_MS;
    if (!isNew && !isComplete && nowMs - this.#drawnMs < intervalMs) return;
    this.#drawnMs = nowMs;
    const line = `${label}${amount(step, nowMs - this.#labelStartedMs)}`;
    if (!this.#terminal.isErrorTty) {
      await this.#terminal.writeError(`${line}\n`);
      return;
    }
    const columns = this.#terminal.size()?.columns ?? 80;
    this.#isLineOpen = true;
    await this.#terminal.writeError(`\r\u001B[2K${line.slice(0, columns - 1)}`);
  }

  /** A sentence that stays, above the bar. */
  async note(text: string): Promise<void> {
    await this.finish();
    await this.#terminal.writeError(`${text}\n`);
  }

  /** Takes the bar away. */
  async finish(): Promise<void> {
    if (!this.#isLineOpen) return;
    this.#isLineOpen = false;
    await this.#terminal.writeError('\r\u001B[2K');
  }
}

function amount(step: ProgressStep, elapsedMs: number): string {
  if (step.doneBytes === null) return ' …';
  const rate = elapsedMs > 0 ? `  ${formatBytes((step.doneBytes * 1000) / elapsedMs)}/s` : '';
  if (step.totalBytes === null || step.totalBytes === 0) return `  ${formatBytes(step.doneBytes)}${rate}`;
  const share = Math.min(1, step.doneBytes / step.totalBytes);
  const full = Math.round(share * BAR_WIDTH);
  const bar = `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}`;
  return `  ${bar} ${Math.round(share * 100)} %  ${formatBytes(step.doneBytes)} of ${formatBytes(step.totalBytes)}${rate}`;
}
