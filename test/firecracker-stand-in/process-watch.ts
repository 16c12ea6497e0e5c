/** The process that was started as Firecracker, seen from the server of its interface. */
export interface ProcessWatch {
  /** Of the guest, once there is one. */
  readonly pid: number;
  /**
   * Ends this process when it is gone: to be called right before what would be left is made. Without it this process ends as well, but
   * only once it waits for something.
   */
  readonly exitIfOver: () => void;
  /** Kills it, and ends this process. */
  readonly kill: () => void;
}
