import type { Bytes } from '../base/bytes.ts';

export type SocketAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** A connected byte stream. */
export interface Connection {
  /**
   * The next bytes (at most 64 KiB), or null when the other side has ended. One read at a time. At most 128 KiB is
   * read ahead beyond the system's own buffer, so a slow reader slows the sender. @throws SystemError `ECONNRESET` …
   */
  read(): Promise<Bytes | null>;
  /**
   * Resolves when the bytes were taken by the system: awaiting it is the back-pressure. One write at a time; the bytes
   * must not change meanwhile. @throws SystemError `EPIPE`, `ECONNRESET` … when the connection is gone.
   */
  write(bytes: Bytes): Promise<void>;
  /** Ends our direction; reading goes on. */
  end(): Promise<void>;
  /** Drops the connection at once; a pending `read` gives null and a pending `write` throws `EPIPE`. May be called twice. */
  close(): void;
}

export interface Listener {
  readonly address: SocketAddress;
  /** Stops accepting, and removes a Unix socket's file. Connections live on. */
  close(): Promise<void>;
}

export interface Sockets {
  /** @throws SystemError `ENOENT`, `ECONNREFUSED`, `ETIMEDOUT` … or the signal's reason. */
  connect(address: SocketAddress, signal?: AbortSignal): Promise<Connection>;
  /**
   * Port 0 picks a free one, told by `address`. Unix sockets have never had another mode than the owner's own, 0o600. A
   * file that a killed process left at the path is the caller's to remove, under a lock of the caller's.
   * @throws SystemError `EADDRINUSE`, or `ENAMETOOLONG` for a Unix path over 107 bytes (103 on macOS).
   */
  listen(address: SocketAddress, onConnection: (connection: Connection) => void): Promise<Listener>;
}
