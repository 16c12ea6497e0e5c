/** Does to the world what a plan says, when the command that it is meant for has come so far. */
import { setTimeout as delay } from 'node:timers/promises';
import { phaseLine } from '../support/move-phases.ts';
import type { RunningCommand } from '../support/cli-host.ts';
import type { FaultName, Strike } from './plan.ts';
import type { SoakHost } from './soak-host.ts';

const POLL_MS = 2;

/** Who is who while a command is struck. */
export interface Scene {
  /** Where the VM was at the beginning of the round. */
  readonly source: SoakHost;
  readonly target: SoakHost;
  /** The one whose command is struck. */
  readonly actor: SoakHost;
  readonly command: RunningCommand;
}

/** Resolves when the fault is over and mended. @returns whether there was something to strike. */
export async function strikeAt(scene: Scene, strike: Strike): Promise<boolean> {
  await untilPhase(scene.command, strike.phase);
  await delay(strike.delayMs);
  return strikeNow(scene, strike);
}

/** A phase may be over before we have seen it, and a command before its phase came. */
async function untilPhase(command: RunningCommand, phase: string | null): Promise<void> {
  if (phase === null) return;
  const line = phaseLine(phase);
  while (!line.test(command.stderr) && isRunning(command)) await delay(POLL_MS);
}

function isRunning({ child }: RunningCommand): boolean {
  return child.exitCode === null && child.signalCode === null;
}

async function strikeNow({ source, target, actor, command }: Scene, strike: Strike): Promise<boolean> {
  const { fault, lastsMs, freeBytes } = strike;
  switch (fault) {
    case 'none':
      return false;
    case 'kill-source-daemon':
      return source.killDaemon();
    case 'kill-target-daemon':
      return target.killDaemon();
    case 'kill-qemu':
      return actor.killMachine();
    case 'kill-command':
      return isRunning(command) && command.child.kill('SIGKILL');
    case 'cut-down':
      return actor.cutFor('down', lastsMs);
    case 'cut-silent':
      return actor.cutFor('silent', lastsMs);
    case 'cut-deaf':
      return actor.cutFor('deaf', lastsMs);
    case 'fill-disk':
      return actor.fillFor(freeBytes, lastsMs);
    default:
      return fault satisfies never;
  }
}

/** Nothing that concerns the actor's command: it must succeed all the same. */
export function isHarmless({ actor, source }: Pick<Scene, 'actor' | 'source'>, fault: FaultName): boolean {
  return fault === (actor === source ? 'kill-target-daemon' : 'kill-source-daemon') || fault === 'none';
}
