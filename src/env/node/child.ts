import { assert, defined } from '../../base/assert.ts';
import { bytesOf } from './pull-reader.ts';
import { attempt, toSystemError } from './system-errors.ts';
import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Bytes } from '../../base/bytes.ts';
import type { Child, ExitStatus, ProcessIdentity } from '../processes.ts';

/** A started process of ours, not yet reaped or so recently that its streams are still open. */
export class NodeChild implements Child {
  readonly identity: ProcessIdentity;
  readonly stdout: AsyncIterable<Bytes>;
  readonly stderr: AsyncIterable<Bytes>;
  readonly stdin: Child['stdin'];
  private readonly child: ChildProcess;
  private readonly isDetached: boolean;
  private readonly exit: Promise<ExitStatus>;

  /** Must run in the same turn as the spawn, so that no event is missed. */
  constructor(child: ChildProcess, identity: ProcessIdentity, isDetached: boolean) {
    this.child = child;
    this.identity = identity;
    this.isDetached = isDetached;
    const subject = `process ${identity.pid}`;
    this.stdout = outputOf(child.stdout, subject);
    this.stderr = outputOf(child.stderr, subject);
    this.stdin = child.stdin === null ? null : inputOf(child.stdin, subject);
    const { promise, resolve } = Promise.withResolvers<ExitStatus>();
    this.exit = promise;
    child.once('exit', (code, signal) => {
      resolve(signal === null ? { code: defined(code, 'exit code') } : { signal });
    });
    if (isDetached) child.unref();
  }

  async wait(): Promise<ExitStatus> {
    if (this.isDetached) this.child.ref();
    return await this.exit;
  }

  kill(signal: 'SIGTERM' | 'SIGKILL' | 'SIGINT'): void {
    // Until Node has reaped it, its number is its own; after that, it may be somebody else's.
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    try {
      process.kill(this.identity.pid, signal);
    } catch (error) {
      throw toSystemError(error, 'kill', `process ${this.identity.pid}`);
    }
  }
}

function outputOf(stream: Readable | null, subject: string): AsyncIterable<Bytes> {
  return stream === null ? nothing : bytesOf(stream, subject);
}

const nothing: AsyncIterable<Bytes> = {
  [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
};

function inputOf(stream: Writable, subject: string): NonNullable<Child['stdin']> {
  // A write's own promise tells of a child that no longer reads; the event would end this process.
  stream.on('error', () => {});
  let isWriting = false;
  return {
    write: async (bytes) => {
      assert(!isWriting, 'one write at a time');
      isWriting = true;
      try {
        await attempt('write', subject, async () => await settled((done) => stream.write(bytes, done)));
      } finally {
        isWriting = false;
      }
    },
    // Each write tells of itself, so nothing is left that could fail. A child that has ended took its input with it, and Node calls
    // nobody back who ends that.
    end: async () => {
      if (stream.destroyed) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      stream.once('close', resolve);
      stream.end(() => resolve());
      await promise;
    },
  };
}

async function settled(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  start((error) => (error === null || error === undefined ? resolve() : reject(error)));
  await promise;
}
