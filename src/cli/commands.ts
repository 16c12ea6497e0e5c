/** Every command, in the order of the help. The one that was typed is loaded, the others are only told. */
import type { CommandDefinition } from './command.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandDefinition>;
}

export const commands: readonly CommandEntry[] = [
  {
    name: 'up',
    summary: 'create a VM and boot it, or boot a stopped one',
    load: async () => (await import('./commands/up.ts')).up,
  },
  {
    name: 'ps',
    summary: 'list the VMs of this host',
    load: async () => (await import('./commands/ps.ts')).ps,
  },
  {
    name: 'exec',
    summary: 'run a command in a VM',
    load: async () => (await import('./commands/exec.ts')).exec,
  },
  {
    name: 'attach',
    summary: 'join a command that runs in a VM',
    load: async () => (await import('./commands/exec.ts')).attach,
  },
  {
    name: 'sessions',
    summary: 'list, signal or forget commands of a VM',
    load: async () => (await import('./commands/sessions.ts')).sessions,
  },
  {
    name: 'cp',
    summary: 'copy files and folders into a VM or out of it',
    load: async () => (await import('./commands/cp.ts')).cp,
  },
  {
    name: 'pause',
    summary: 'stop a VM’s clock',
    load: async () => (await import('./commands/life.ts')).pause,
  },
  {
    name: 'resume',
    summary: 'let a VM go on that is paused or suspended',
    load: async () => (await import('./commands/life.ts')).resume,
  },
  {
    name: 'suspend',
    summary: 'put a VM to sleep on disk, as it is',
    load: async () => (await import('./commands/life.ts')).suspend,
  },
  { name: 'stop', summary: 'power a VM off', load: async () => (await import('./commands/life.ts')).stop },
  {
    name: 'rm',
    summary: 'remove a VM with its snapshots',
    load: async () => (await import('./commands/life.ts')).rm,
  },
  {
    name: 'logs',
    summary: 'the end of a VM’s console',
    load: async () => (await import('./commands/ps.ts')).logs,
  },
  {
    name: 'inspect',
    summary: 'everything known of a VM',
    load: async () => (await import('./commands/ps.ts')).inspect,
  },
  {
    name: 'snapshot',
    summary: 'snapshot a running VM, or remove a snapshot',
    load: async () => (await import('./commands/snapshot.ts')).snapshot,
  },
  {
    name: 'log',
    summary: 'the tree of a VM’s snapshots',
    load: async () => (await import('./commands/snapshot.ts')).log,
  },
  {
    name: 'prune',
    summary: 'remove snapshots and checkpoints of this host by their age',
    load: async () => (await import('./commands/prune.ts')).prune,
  },
  {
    name: 'fork',
    summary: 'run copies of a VM, a snapshot or a package',
    load: async () => (await import('./commands/fork.ts')).fork,
  },
  {
    name: 'checkpoint',
    summary: 'copy what its applications are, to go on in any other VM',
    load: async () => (await import('./commands/checkpoint.ts')).checkpoint,
  },
  {
    name: 'restore',
    summary: 'go back to a snapshot, or bring a VM here from a store',
    load: async () => (await import('./commands/restore.ts')).restore,
  },
  {
    name: 'teleport',
    summary: 'suspend a VM here and publish it to a store',
    load: async () => (await import('./commands/teleport.ts')).teleport,
  },
  {
    name: 'who',
    summary: 'who may run a VM, and why',
    load: async () => (await import('./commands/who.ts')).who,
  },
  {
    name: 'reclaim',
    summary: 'put a VM to rest in its store whose host is gone',
    load: async () => (await import('./commands/reclaim.ts')).reclaim,
  },
  {
    name: 'package',
    summary: 'list, check, sweep and copy the packages of a store; packages as files',
    load: async () => (await import('./commands/package.ts')).packages,
  },
  {
    name: 'store',
    summary: 'make encrypted stores, say who can read them, and see which hosts use them',
    load: async () => (await import('./commands/store.ts')).store,
  },
  {
    name: 'key',
    summary: 'the keys of this host, and whom it trusts',
    load: async () => (await import('./commands/key.ts')).key,
  },
  {
    name: 'image',
    summary: 'build, list and remove base images',
    load: async () => (await import('./commands/image.ts')).image,
  },
  {
    name: 'sim',
    summary: 'run this program in simulated worlds full of faults',
    load: async () => (await import('./commands/sim.ts')).sim,
  },
  {
    name: 'doctor',
    summary: 'what this host can do, and what to repair',
    load: async () => (await import('./commands/system.ts')).doctor,
  },
  {
    name: 'version',
    summary: 'versions of this program and of the daemon',
    load: async () => (await import('./commands/system.ts')).version,
  },
  {
    name: 'daemon',
    summary: 'status, stop or restart the daemon; VMs live on',
    load: async () => (await import('./commands/system.ts')).daemon,
  },
  {
    name: 'serve',
    summary: 'run the daemon in the foreground',
    load: async () => (await import('./commands/system.ts')).serve,
  },
  {
    name: 'completion',
    summary: 'print a completion script for bash, zsh or fish',
    load: async () => (await import('./commands/completion.ts')).completion,
  },
];
