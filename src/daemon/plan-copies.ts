/** What copies are called, and what this host asks before it makes them. */
import { KelpieError } from '../base/errors.ts';
import { VM_NAME_LENGTH_MAX } from './api/limits.ts';
import { VMS_MAX } from './limits.ts';
import type { CopyPlan } from '../teleport/forked-copy.ts';
import type { Copies } from './api/forks.ts';
import type { Supervisor } from './supervisor.ts';

/**
 * One copy with a name gets it; others get the first numbers that are free: `dev-1`, `dev-2` …
 * @param originName of the VM that they are copies of. @throws KelpieError `limit_exceeded`, `name_taken`, `invalid_argument`.
 */
export function planCopies(
  supervisor: Supervisor,
  originName: string,
  { name, count, publish = [], lease }: Copies,
): readonly CopyPlan[] {
  const { host, registry } = supervisor;
  if (registry.all.length + count > VMS_MAX)
    throw new KelpieError(
      'limit_exceeded',
      `this host has ${registry.all.length} of ${VMS_MAX} VMs: remove some.`,
    );
  const names = name !== undefined && count === 1 ? [name] : freeNames(supervisor, name ?? originName, count);
  for (const chosen of names) registry.requireFreeName(chosen);
  return names.map((chosen) => ({
    id: host.env.random.uuid(),
    name: chosen,
    publish,
    lease: lease ?? null,
  }));
}

function freeNames(supervisor: Supervisor, base: string, count: number): readonly string[] {
  const { registry } = supervisor;
  const names: string[] = [];
  // There are at most `VMS_MAX` VMs in the way, and as many names that are just being given.
  for (let number = 1; names.length < count; number += 1) {
    const name = `${base}-${number}`;
    if (registry.byName(name) === undefined && supervisor.busy(`name:${name}`) === null) names.push(name);
  }
  const [last = ''] = names.slice(-1);
  if (last.length <= VM_NAME_LENGTH_MAX) return names;
  throw new KelpieError(
    'invalid_argument',
    `the copies would be named "${last}", which is longer than ${VM_NAME_LENGTH_MAX} characters: give a shorter name for them.`,
  );
}
