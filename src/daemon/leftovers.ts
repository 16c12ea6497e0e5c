/** What ought to be gone or settled on this host and is not, and what `kelpie doctor --repair` does about it. */
import { removeStray } from '../teleport/managed-vm.ts';
import { isPausedByLease } from '../teleport/vm-record.ts';
import { REPAIR_WAIT_MS } from './limits.ts';
import type { ManagedVm } from '../teleport/managed-vm.ts';
import type { Finding } from './api/system.ts';
import type { Supervisor } from './supervisor.ts';

/** Of VMs that do not run: a process, its sockets and logs. */
interface StrayRun {
  readonly directory: string;
  readonly processes: number;
}

export async function examineLeftovers(supervisor: Supervisor): Promise<readonly Finding[]> {
  const repair = 'run `kelpie doctor --repair`';
  const findings = [
    ...(await strayRuns(supervisor)).map((stray) => warning(`${describeStray(stray)}: ${repair}.`)),
    ...(await strayFiles(supervisor)).map((path) =>
      warning(`${path} is left of something that was cut: ${repair}.`),
    ),
    ...unsettled(supervisor).map((text) => warning(text)),
    ...(await damagedEntries(supervisor)),
  ];
  return findings.length > 0 ? findings : [ok('Nothing was left behind.')];
}

/** Removes and settles what can be; tells each in a sentence, and then what is left. */
export async function repairLeftovers(supervisor: Supervisor): Promise<readonly Finding[]> {
  const done: Finding[] = [];
  for (const stray of await strayRuns(supervisor)) {
    await removeStray(supervisor.host, stray.directory);
    done.push(repaired(`${describeStray(stray)}: ended and removed.`));
  }
  for (const path of await strayFiles(supervisor)) {
    await supervisor.host.env.files.removeTree(path);
    done.push(repaired(`${path} was left of something that was cut: removed.`));
  }
  const waited = unsettled(supervisor).length;
  if (waited > 0) await supervisor.retry(REPAIR_WAIT_MS);
  const settled = waited - unsettled(supervisor).length;
  if (settled > 0)
    done.push(repaired(`${settled} thing${settled === 1 ? ' that was' : 's that were'} cut is settled now.`));
  return [...done, ...(await examineLeftovers(supervisor))];
}

/** Run directories of VMs that neither run nor are about to, and processes that belong into one. */
async function strayRuns(supervisor: Supervisor): Promise<readonly StrayRun[]> {
  const { host, registry } = supervisor;
  const { env, places } = host;
  const isUsed = (vm: ManagedVm): boolean => vm.isLive || supervisor.busy(vm.id) !== null;
  const unread = registry.damaged.map(({ id }) => places.runDirectory(id));
  const used = new Set([...unread, ...registry.all.filter(isUsed).map(({ id }) => places.runDirectory(id))]);
  // One that has stopped leaves its console there.
  const known = new Set([...unread, ...registry.all.map(({ id }) => places.runDirectory(id))]);
  const found = new Map<string, number>();
  for (const name of await env.files.list(places.runsDirectory))
    found.set(`${places.runsDirectory}/${name}`, 0);
  for (const { args } of await env.processes.list()) {
    const directory = runDirectoryIn(args, places.runsDirectory);
    if (directory !== null) found.set(directory, (found.get(directory) ?? 0) + 1);
  }
  return [...found]
    .filter(([directory, processes]) => !(processes > 0 ? used : known).has(directory))
    .map(([directory, processes]) => ({ directory, processes }));
}

/** The run directory that a command line names a file of. */
function runDirectoryIn(args: readonly string[], runsDirectory: string): string | null {
  for (const arg of args) {
    const from = arg.indexOf(`${runsDirectory}/`);
    if (from === -1) continue;
    const [name = '', rest] = arg.slice(from + runsDirectory.length + 1).split('/');
    if (rest !== undefined && /^[0-9a-f]{12}$/.test(name)) return `${runsDirectory}/${name}`;
  }
  return null;
}

/** Temporary files, while nothing is under way that may have made them. */
async function strayFiles({ host, operations }: Supervisor): Promise<readonly string[]> {
  if (operations > 0) return [];
  const directory = host.places.temporaryDirectory;
  return (await host.env.files.list(directory)).map((name) => `${directory}/${name}`);
}

/** What waits for something that this host cannot mend by itself, with why. */
function unsettled(supervisor: Supervisor): readonly string[] {
  const { registry, held } = supervisor;
  const why = (vmId: string): string =>
    supervisor.trouble(vmId)?.message ?? 'it has not been tried again yet.';
  const lost = registry.all.filter((vm) => vm.isLive && vm.instance === null);
  const paused = registry.all.filter(({ record }) => isPausedByLease(record));
  return [
    ...held.map(
      ({ kind, vmId, vmName }) => `A ${kind} of "${vmName}" was cut and is not settled: ${why(vmId)}`,
    ),
    ...lost.map((vm) => `"${vm.name}" runs but was not found again: ${why(vm.id)}`),
    ...paused.map(
      (vm) => `"${vm.name}" is paused until its lease is renewed: \`kelpie who ${vm.name}\` says more.`,
    ),
  ];
}

async function damagedEntries({ host }: Supervisor): Promise<readonly Finding[]> {
  const { damaged } = await host.journal.readAll();
  return damaged.map(({ path }) => ({
    check: 'journal',
    level: 'problem',
    text: `${path} cannot be understood, so what was under way is not known: ask \`kelpie who\` of each VM, then remove the file.`,
  }));
}

function describeStray({ directory, processes }: StrayRun): string {
  if (processes === 0) return `${directory} is of no VM that runs`;
  return `${processes} process${processes === 1 ? ' runs' : 'es run'} in ${directory} for no VM of this host`;
}

function warning(text: string): Finding {
  return { check: 'leftovers', level: 'warning', text };
}

function ok(text: string): Finding {
  return { check: 'leftovers', level: 'ok', text };
}

function repaired(text: string): Finding {
  return { check: 'repaired', level: 'ok', text };
}
