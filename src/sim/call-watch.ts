/**
 * Counts the calls that processes make of their world, and hits the one that is aimed at: its process dies before it or after it, or it
 * fails, undone or done. So one run after the other can try every call of a workload (`exhaustive.ts`).
 */
import { SystemError } from '../env/system-error.ts';
import type { Aim, AimKind } from './plan.ts';

/** One call that was made. */
export interface CallMade {
  readonly actor: string;
  readonly site: string;
  readonly call: number;
  /** The file or address that it is about, with what differs between runs left out. */
  readonly place: string;
  /** How many commands people had begun by then. */
  readonly commands: number;
}

/** What a call that fails says, by the beginning of its site; a site that is not here does not fail. */
const failures: readonly (readonly [string, string])[] = [
  ['files.close', ''],
  ['files.unlock', ''],
  ['files.', 'EIO'],
  ['proc.', 'EIO'],
  ['sockets.unlisten', ''],
  ['sockets.accept', ''],
  ['sockets.listen', 'EADDRINUSE'],
  ['sockets.connect', 'EAGAIN'],
  ['sockets.', 'ECONNRESET'],
  ['processes.spawn', 'EAGAIN'],
];

/** Calls that change something which stays when their answer is lost. */
const changes: ReadonlySet<string> = new Set([
  'files.write',
  'files.truncate',
  'files.sync',
  'files.syncDirectory',
  'files.rename',
  'files.link',
  'files.symlink',
  'files.unlink',
  'files.makeDirectory',
  'files.makeDirectoryExclusive',
  'files.removeTree',
  'files.clone',
  'files.chmod',
  'sockets.write',
]);

/** Calls on a connection that is there. */
const STREAM: ReadonlySet<string> = new Set(['sockets.read', 'sockets.write', 'sockets.end']);

export class CallWatch {
  /** Every call, when somebody wants to know. */
  onCall: ((call: Omit<CallMade, 'commands'>) => void) | null = null;
  /** The aimed-at call came. */
  isHit = false;
  readonly #aim: Aim | null;
  readonly #counts = new Map<string, number>();
  #isOver = false;

  constructor(aim: Aim | null) {
    this.#aim = aim;
  }

  /** From here on nothing happens to calls any more, and none counts. */
  stop(): void {
    this.#isOver = true;
  }

  /** What happens to the call that is made now. */
  meet(actor: string, site: string, subject: string): AimKind | null {
    if (this.#isOver || (this.#aim === null && this.onCall === null)) return null;
    const key = `${actor} ${site}`;
    const call = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, call);
    this.onCall?.({ actor, site, call, place: shapeOf(subject) });
    const aim = this.#aim;
    if (aim === null || aim.call !== call || aim.site !== site || aim.actor !== actor) return null;
    this.isHit = true;
    return aim.kind;
  }
}

/** What can happen to a call. */
export function feasibleAims({ site, place }: Pick<CallMade, 'site' | 'place'>): readonly AimKind[] {
  const crashes = ['crash-before', 'crash-after'] as const;
  // The kernel loses nothing between two processes of one machine that both live.
  if (STREAM.has(site) && place.startsWith('/')) return crashes;
  return [
    ...crashes,
    ...(errnoOf(site) === '' ? [] : (['fail'] as const)),
    ...(changes.has(site) ? (['answer-lost'] as const) : []),
  ];
}

/** How a call fails. */
export function failureOf(site: string, subject: string): SystemError {
  return new SystemError(errnoOf(site), site, subject);
}

function errnoOf(site: string): string {
  return failures.find(([start]) => site.startsWith(start))?.[1] ?? '';
}

/** A path without the names that are drawn. */
function shapeOf(subject: string): string {
  return subject.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{12,}|\d+/g, '*');
}
