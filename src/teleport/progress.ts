/** What an operation tells while it runs. Called often and never awaited: a listener must be quick and bounded. */
export interface OperationListener {
  /** `phase` is one stable word; see each operation's head comment. */
  progress(phase: string, item?: string, doneBytes?: number, totalBytes?: number): void;
  /** A sentence worth showing. */
  notice(text: string): void;
}
