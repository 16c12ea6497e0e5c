import { ByteReader } from '../../base/byte-reader.ts';
import { equalBytes, fromHex } from '../../base/bytes.ts';
import { checkBlob, corruptBlob } from './contents.ts';
import { BLOB_DIGEST_BYTES } from './header.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { Compute, Hasher } from '../../env/compute.ts';

/** Reads a blob part by part, and digests what it reads. */
export class PartReader {
  readonly #reader: ByteReader;
  readonly #compute: Pick<Compute, 'sha256Hasher'>;
  /** Of the digests of all parts so far. */
  readonly #all: Hasher;
  readonly #digest = new Uint8Array(BLOB_DIGEST_BYTES);
  #part = 'header';
  /** Of the part so far; null in a blob that has no digests. */
  #hasher: Hasher | null;

  constructor(bytes: AsyncIterable<Bytes>, compute: Pick<Compute, 'sha256Hasher'>) {
    this.#reader = new ByteReader(bytes, () => this.#cutShort());
    this.#compute = compute;
    this.#all = compute.sha256Hasher();
    this.#hasher = compute.sha256Hasher();
  }

  /** @param part for sentences: `memory`. */
  begin(part: string, isDigested: boolean): void {
    this.#part = part;
    this.#hasher = isDigested ? this.#compute.sha256Hasher() : null;
  }

  /** The next bytes of the part, all of `into`. @throws KelpieError `package_corrupt` when there are not as many. */
  async readInto(into: Bytes): Promise<void> {
    await this.#reader.readInto(into);
    this.#hasher?.update(into);
  }

  /** The next 1 to `length` bytes of the part, valid until the next call. @throws KelpieError `package_corrupt` at the end. */
  async next(length: number): Promise<Bytes> {
    const bytes = await this.#reader.next(length);
    if (bytes === null) throw this.#cutShort();
    this.#hasher?.update(bytes);
    return bytes;
  }

  /** Reads the digest of the part and compares. @throws KelpieError `package_corrupt`. */
  async checkDigest(): Promise<void> {
    const expected = this.#hasher?.digest();
    this.#hasher = null;
    await this.#reader.readInto(this.#digest);
    checkBlob(isDigest(this.#digest, expected), `its ${this.#part} is damaged (the digest does not match)`);
    this.#all.update(this.#digest);
  }

  /** Reads the digest of all digests and compares. @throws KelpieError `package_corrupt`. */
  async checkDigests(): Promise<void> {
    this.begin('last digest', false);
    await this.#reader.readInto(this.#digest);
    checkBlob(isDigest(this.#digest, this.#all.digest()), 'its last digest does not match');
  }

  /** @throws KelpieError `package_corrupt` when something follows. */
  async checkEnd(): Promise<void> {
    checkBlob((await this.#reader.next(1)) === null, 'it goes on after its end');
  }

  /** Ends the stream of bytes. */
  async close(): Promise<void> {
    await this.#reader.close();
  }

  #cutShort(): Error {
    return corruptBlob(`it is cut short, inside its ${this.#part}`);
  }
}

function isDigest(digest: Bytes, expected: string | undefined): boolean {
  return expected !== undefined && equalBytes(digest, fromHex(expected));
}
