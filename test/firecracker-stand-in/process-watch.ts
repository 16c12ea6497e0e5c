/** The process that was started as Firecracker, seen from the server of its interface. */
export interface ProcessWatch {
  /** Aborted when it is gone. */
  readonly ended: AbortSignal;
  /** Kills it, and ends this process. */
  readonly kill: () => void;
  /** To be called once it was told to become the machine. */
  readonly onHandedOver: () => void;
}
