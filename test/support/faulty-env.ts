/**
 * A real `Env` that fails on purpose: calls are named, matched by rules and counted, so that a test can say "the third
 * write to a pack finds no space" or "the process is killed at its 17th call".
 *
 * Calls are named by interface and method: `files.open`, `file.write`, `sockets.connect`, `connection.read`,
 * `processes.spawn`, `child.wait`, `http.request`, `clock.sleep` … Calls that answer at once (`kill`, `wallMs`,
 * `compute`, `random`) are never touched.
 */
import { assert } from '../../src/base/assert.ts';
import { SystemError } from '../../src/env/system-error.ts';
import type { Bytes } from '../../src/base/bytes.ts';
import type { Env } from '../../src/env/env.ts';
import type { FileHandle } from '../../src/env/files.ts';
import type { Child } from '../../src/env/processes.ts';
import type { Connection, SocketAddress } from '../../src/env/sockets.ts';

/** One call that reached the wrapper, before anything was done. */
export interface Call {
  /** From 1, over the whole life of the wrapper. */
  readonly number: number;
  readonly act: string;
  /** Paths, the address, the command line, or method and path of a request; joined by spaces. */
  readonly subject: string;
}

export type Fault =
  /** The system refuses; nothing is done. */
  | { readonly errno: string }
  /** The call is done after this time. */
  | { readonly delayMs: number }
  /** Of `file.write` only: so many bytes are written, then the system refuses. */
  | { readonly bytesWritten: number; readonly errno: string };

export interface FaultRule {
  readonly act: string;
  readonly subject?: RegExp;
  /** Matching calls to let through first; default 0. */
  readonly after?: number;
  /** Matching calls to fail after those; default all. */
  readonly count?: number;
  readonly fault: Fault;
}

export interface Faults {
  readonly rules?: readonly FaultRule[];
  /** Runs before every call, which waits for it and fails with it. */
  readonly onCall?: (call: Call) => Promise<void>;
}

export interface FaultyEnv {
  readonly env: Env;
  /** All calls so far, in their order: the sites at which a test can kill. */
  readonly calls: readonly Call[];
  /** The calls that a rule hit. A test that injects a fault asserts that it did. */
  readonly injected: readonly Call[];
}

type Method = (...args: readonly never[]) => unknown;

/** Runs what the rules allow of one call. */
type Gate = (act: string, subject: string) => Promise<Fault | null>;

export function faultyEnv(env: Env, faults: Faults): FaultyEnv {
  const calls: Call[] = [];
  const injected: Call[] = [];
  const seen = new Map<FaultRule, number>();

  const gate: Gate = async (act, subject) => {
    const call = { number: calls.length + 1, act, subject };
    calls.push(call);
    await faults.onCall?.(call);
    const fault = faults.rules?.find((rule) => isHit(rule, call, seen))?.fault;
    if (fault === undefined) return null;
    injected.push(call);
    if ('delayMs' in fault) await env.clock.sleep(fault.delayMs);
    else if (!('bytesWritten' in fault)) throw new SystemError(fault.errno, act, subject);
    return fault;
  };
  return { env: gatedEnv(env, gate), calls, injected };
}

/** For `onCall`: from call `number` on, no call is done or settles, as if the process had been killed there. */
export function killAt(number: number): {
  readonly onCall: (call: Call) => Promise<void>;
  readonly killed: Promise<Call>;
} {
  const { promise, resolve } = Promise.withResolvers<Call>();
  return {
    onCall: async (call) => {
      if (call.number < number) return;
      resolve(call);
      await new Promise<never>(() => {});
    },
    killed: promise,
  };
}

function isHit(rule: FaultRule, call: Call, seen: Map<FaultRule, number>): boolean {
  if (rule.act !== call.act || rule.subject?.test(call.subject) === false) return false;
  const earlier = seen.get(rule) ?? 0;
  seen.set(rule, earlier + 1);
  const first = rule.after ?? 0;
  return earlier >= first && earlier < first + (rule.count ?? Infinity);
}

function gatedEnv(env: Env, gate: Gate): Env {
  const paths = (args: readonly unknown[]): string => args.filter((arg) => typeof arg === 'string').join(' ');
  const { files, sockets, processes, http } = env;
  return {
    ...env,
    clock: gated(env.clock, 'clock', () => '', gate, ['sleep']),
    files: {
      ...gated(files, 'files', paths, gate),
      open: async (path, mode, permissions) => {
        await gate('files.open', path);
        return gatedFile(await files.open(path, mode, permissions), path, gate);
      },
    },
    sockets: {
      connect: async (address, signal) => {
        await gate('sockets.connect', addressText(address));
        return gatedConnection(await sockets.connect(address, signal), address, gate);
      },
      listen: async (address, onConnection) => {
        await gate('sockets.listen', addressText(address));
        return await sockets.listen(address, (connection) =>
          onConnection(gatedConnection(connection, address, gate)),
        );
      },
    },
    processes: {
      ...gated(processes, 'processes', (args) => JSON.stringify(args[0] ?? ''), gate),
      spawn: async (options) => {
        const subject = [options.command, ...options.args].join(' ');
        await gate('processes.spawn', subject);
        return gatedChild(await processes.spawn(options), subject, gate);
      },
    },
    http: {
      request: async (request) => {
        await gate('http.request', `${request.method} ${request.path}`);
        return await http.request(request);
      },
      serve: async (address, handler) => {
        await gate('http.serve', addressText(address));
        return await http.serve(address, handler);
      },
    },
  };
}

/** The same object with its asynchronous methods behind the gate; `only` names them where others answer at once. */
function gated<T extends object>(
  target: T,
  prefix: string,
  subjectOf: (args: readonly unknown[]) => string,
  gate: Gate,
  only?: readonly string[],
): T {
  const copy: Record<string, unknown> = {};
  for (const name of methodNames(target)) {
    const method: unknown = Reflect.get(target, name);
    if (typeof method !== 'function') {
      copy[name] = method;
      continue;
    }
    const call = (method as Method).bind(target) as (...args: unknown[]) => unknown;
    const isGated = only === undefined || only.includes(name);
    copy[name] = !isGated
      ? call
      : async (...args: unknown[]) => {
          await gate(`${prefix}.${name}`, subjectOf(args));
          return await call(...args);
        };
  }
  return copy as T;
}

function methodNames(target: object): ReadonlySet<string> {
  const names = new Set(Object.keys(target));
  for (let at: unknown = Object.getPrototypeOf(target); at !== null && at !== Object.prototype;) {
    assert(typeof at === 'object', 'a prototype is an object');
    for (const name of Object.getOwnPropertyNames(at)) if (name !== 'constructor') names.add(name);
    at = Object.getPrototypeOf(at);
  }
  return names;
}

function gatedFile(file: FileHandle, path: string, gate: Gate): FileHandle {
  return {
    ...gated(file, 'file', () => path, gate),
    write: async (bytes: Bytes, offset: number) => {
      const fault = await gate('file.write', path);
      if (fault === null || !('bytesWritten' in fault)) {
        await file.write(bytes, offset);
        return;
      }
      await file.write(bytes.subarray(0, fault.bytesWritten), offset);
      throw new SystemError(fault.errno, 'write', path);
    },
    // The kernel takes the descriptor back also when it refuses.
    close: async () => {
      try {
        await gate('file.close', path);
      } finally {
        await file.close();
      }
    },
  };
}

function gatedConnection(connection: Connection, address: SocketAddress, gate: Gate): Connection {
  return gated(connection, 'connection', () => addressText(address), gate, ['read', 'write', 'end']);
}

function gatedChild(child: Child, subject: string, gate: Gate): Child {
  return gated(child, 'child', () => subject, gate, ['wait']);
}

function addressText(address: SocketAddress): string {
  return address.kind === 'unix' ? address.path : `${address.host}:${address.port}`;
}
