/** The files of a running VM in its run directory; all of them go when it has ended. */
export interface RunFiles {
  /** QEMU's control socket. */
  readonly control: string;
  /** The guest agent's port. */
  readonly agent: string;
  /** Where a restored VM's device state is sent to. */
  readonly incoming: string;
  /** QEMU's own messages. */
  readonly log: string;
  /** What was taken out of the console's ring. */
  readonly console: string;
  /** The memory of a VM that booted: sparse, all zeros, never written. */
  readonly emptyMemory: string;
  /** A piece of guest memory on its way through QEMU. */
  readonly scratch: string;
}

export function runFiles(runDirectory: string): RunFiles {
  return {
    control: `${runDirectory}/qmp.sock`,
    agent: `${runDirectory}/agent.sock`,
    incoming: `${runDirectory}/load.sock`,
    log: `${runDirectory}/qemu.log`,
    console: `${runDirectory}/console.log`,
    emptyMemory: `${runDirectory}/memory`,
    scratch: `${runDirectory}/scratch`,
  };
}
