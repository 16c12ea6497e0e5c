import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os';

/** The machine that figures were taken on; without it they say little. */
export interface Machine {
  readonly platform: string;
  readonly architecture: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMib: number;
  readonly node: string;
  /** Of the last minute, when the figures were written down: others may have used the machine. */
  readonly loadAverage: number;
}

export function describeMachine(): Machine {
  const all = cpus();
  return {
    platform: `${platform()} ${release()}`,
    architecture: arch(),
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    memoryMib: Math.round(totalmem() / 1024 / 1024),
    node: process.version,
    loadAverage: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}
