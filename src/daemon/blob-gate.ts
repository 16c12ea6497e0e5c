/**
 * Keeps the collection of blobs and the operations that make blobs apart: while any of those is under way its new blobs are named
 * nowhere yet. A collection that is wanted runs when the last operation has left; operations that come while it runs wait for it.
 */
export class BlobGate {
  readonly #collect: () => Promise<void>;
  #inside = 0;
  #isWanted = false;
  #collecting: Promise<void> | null = null;

  /** @param collect must not throw. */
  constructor(collect: () => Promise<void>) {
    this.#collect = collect;
  }

  async enter(): Promise<void> {
    while (this.#collecting !== null) await this.#collecting;
    this.#inside += 1;
  }

  leave(): void {
    this.#inside -= 1;
    this.#start();
  }

  /** Something may have become nobody's. */
  want(): void {
    this.#isWanted = true;
    this.#start();
  }

  /** Resolves when no collection runs. */
  async idle(): Promise<void> {
    while (this.#collecting !== null) await this.#collecting;
  }

  #start(): void {
    if (!this.#isWanted || this.#inside > 0 || this.#collecting !== null) return;
    this.#isWanted = false;
    this.#collecting = this.#collect().finally(() => {
      this.#collecting = null;
      this.#start();
    });
  }
}
