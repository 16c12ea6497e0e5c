import { assert } from '../../base/assert.ts';
import { SystemError } from '../system-error.ts';
import { PullReader } from './pull-reader.ts';
import { toSystemError } from './system-errors.ts';
import type { Socket } from 'node:net';
import type { Bytes } from '../../base/bytes.ts';
import type { Connection } from '../sockets.ts';

export class NodeConnection implements Connection {
  private readonly socket: Socket;
  private readonly reader: PullReader;
  private readonly subject: string;
  private isReading = false;
  private isWriting = false;
  private isEnded = false;
  private isClosed = false;

  constructor(socket: Socket, subject: string) {
    this.socket = socket;
    this.subject = subject;
    this.reader = new PullReader(socket, subject);
    socket.setNoDelay(true);
  }

  async read(): Promise<Bytes | null> {
    assert(!this.isReading, 'one read at a time');
    this.isReading = true;
    try {
      return await this.reader.read();
    } finally {
      this.isReading = false;
    }
  }

  async write(bytes: Bytes): Promise<void> {
    assert(!this.isWriting, 'one write at a time');
    assert(!this.isEnded, 'nothing is written after the end');
    this.isWriting = true;
    try {
      await this.settle('write', (done) => this.socket.write(bytes, done));
      // Node calls a write that was pending when the socket broke done.
      if (this.socket.destroyed) throw new SystemError('EPIPE', 'write', this.subject);
    } finally {
      this.isWriting = false;
    }
  }

  async end(): Promise<void> {
    if (this.isEnded) return;
    this.isEnded = true;
    await this.settle('end', (done) => this.socket.end(done));
  }

  close(): void {
    this.isClosed = true;
    this.socket.destroy();
  }

  private async settle(act: string, start: (done: (error?: Error | null) => void) => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    start((error) => {
      if (error === null || error === undefined) resolve();
      // Our own close cancels a pending act; Node tells that in several ways.
      else if (this.isClosed) reject(new SystemError('EPIPE', act, this.subject));
      else reject(toSystemError(error, act, this.subject));
    });
    await promise;
  }
}
