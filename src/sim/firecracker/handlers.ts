/** Every request of the interface that life, snapshots and loads need, and what it does. */
import { Fault, osError } from './fault.ts';
import { flag, optionalText, text } from './fields.ts';
import type { Members } from './fields.ts';
import type { Instance } from './instance.ts';
import { describeMachineConfig, machineConfigDefault } from './machine-config.ts';
import type { RunningMachine } from './platform.ts';
import { isDeprecated, parseRequest } from './requests.ts';
import type { Resources } from './resources.ts';
import { formatVersion } from './version.ts';
import type { Version } from './version.ts';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** Null when the request has none. */
  readonly body: string | null;
}

export interface HttpAnswer {
  readonly status: number;
  /** Null: none, as with 204. */
  readonly json: unknown;
  /** A field or request that will go away: told by a header. */
  readonly isDeprecated: boolean;
}

/** Where the log goes. */
export interface LogSettings {
  /** Null: where it went before. */
  readonly path: string | null;
  /** The names are case-insensitive. Null: as before. */
  readonly level: string | null;
  readonly hasLevel: boolean;
}

export interface ApiLog {
  write(level: 'info' | 'error', message: string): void;
  /** @throws an error of the system when the file cannot be written. */
  configure(settings: LogSettings): void;
}

export interface ApiMetrics {
  readonly isConfigured: boolean;
  /** @throws an error of the system when the file cannot be written. */
  configure(path: string): void;
  countRequest(method: string, path: string, isRefused: boolean): void;
  latency(name: string, elapsedMs: number): void;
  /** One line of JSON; nothing when no file was named. */
  flush(): void;
}

/** What a request answers with: an object, or nothing (204). */
type Result = Members | undefined | Promise<Members | undefined | void> | void;

/** By operation: `PUT /drives/{drive_id}`. */
export type Handlers = Readonly<Record<string, (body: Members) => Result>>;

export interface ApiParts<Machine extends RunningMachine> {
  readonly id: string;
  readonly version: Version;
  readonly instance: Instance<Machine>;
  readonly log: ApiLog;
  readonly metrics: ApiMetrics;
  readonly nowMs: () => number;
  /** Requests beside those that every one of ours knows. */
  readonly more: Handlers;
}

/** How long these took is told by the metrics and the log. */
const latencies: Readonly<Record<string, (body: Members) => string>> = {
  'PATCH /vm': (body) => (text(body, 'state') === 'Paused' ? 'pause_vm' : 'resume_vm'),
  'PUT /snapshot/load': () => 'load_snapshot',
  'PUT /snapshot/create': (body) =>
    `${optionalText(body, 'snapshot_type') === 'Diff' ? 'diff' : 'full'}_create_snapshot`,
};

export class Api<Machine extends RunningMachine> {
  readonly #parts: ApiParts<Machine>;
  readonly #handlers: Handlers;

  constructor(parts: ApiParts<Machine>) {
    this.#parts = parts;
    this.#handlers = { ...handlersOf(parts), ...parts.more };
  }

  /** @param onFatal called when the process is of no more use and shall end once the answer is sent. */
  async handle(request: HttpRequest, onFatal: () => void): Promise<HttpAnswer> {
    const { metrics, log } = this.#parts;
    log.write('info', `The API server received a ${request.method} request on "${request.path}".`);
    try {
      const answer = await this.#perform(request);
      metrics.countRequest(request.method, request.path, false);
      return answer;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      metrics.countRequest(request.method, request.path, true);
      log.write('error', `Received Error. Status code: ${error.status}. Message: ${error.message}`);
      if (error.isFatal) onFatal();
      return { status: error.status, json: { fault_message: error.message }, isDeprecated: false };
    }
  }

  async #perform(request: HttpRequest): Promise<HttpAnswer> {
    const { version, metrics, nowMs } = this.#parts;
    const parsed = parseRequest(request, version);
    const handler = this.#handlers[parsed.operation];
    if (handler === undefined) throw new Fault(`${parsed.operation} is not done here.`);
    const startMs = nowMs();
    const json = (await handler(parsed.body)) ?? null;
    const latency = latencies[parsed.operation]?.(parsed.body);
    if (latency !== undefined) metrics.latency(latency, nowMs() - startMs);
    return { status: json === null ? 204 : 200, json, isDeprecated: isDeprecated(parsed) };
  }
}

function handlersOf<Machine extends RunningMachine>(parts: ApiParts<Machine>): Handlers {
  const { id, version, instance, log, metrics } = parts;
  const { resources } = instance;
  const configured =
    (change: (changed: Resources, body: Members) => void) =>
    (body: Members): void =>
      instance.configure((changed) => change(changed, body));
  return {
    'GET /': () => ({
      id,
      state: instance.state,
      vmm_version: formatVersion(version),
      app_name: 'Firecracker',
    }),
    'GET /version': () => ({ firecracker_version: formatVersion(version) }),
    'GET /vm/config': () => resources.describe(),
    'GET /machine-config': () => describeMachineConfig(resources.machine),
    'PUT /machine-config': configured((changed, body) => changed.setMachine(body, machineConfigDefault)),
    'PATCH /machine-config': configured((changed, body) => changed.setMachine(body, changed.machine)),
    'PUT /boot-source': configured((changed, body) => changed.setBootSource(body)),
    'PUT /drives/{drive_id}': configured((changed, body) => changed.setDrive(body)),
    'PUT /network-interfaces/{iface_id}': configured((changed, body) => changed.setNetworkInterface(body)),
    'PUT /balloon': configured((changed, body) => changed.setBalloon(body)),
    'PUT /entropy': configured((changed, body) => changed.setEntropy(body)),
    'PUT /cpu-config': (body) => instance.prepare(() => resources.setCpu(body)),
    'PUT /vsock': (body) => instance.setVsock(body),
    'PUT /logger': (body) => instance.prepare(() => configureLog(log, body)),
    'PUT /metrics': (body) => instance.prepare(() => configureMetrics(metrics, body)),
    'PUT /serial': (body) => instance.prepare(() => resources.setSerial(body)),
    'PUT /actions': (body) => act(text(body, 'action_type'), parts),
    'PATCH /vm': (body) => (text(body, 'state') === 'Paused' ? instance.pause() : instance.resume()),
    'PUT /snapshot/create': (body) => instance.createSnapshot(body),
    'PUT /snapshot/load': (body) => instance.load(body),
    // Rate limits are taken and not kept: nothing here is that fast.
    'PATCH /network-interfaces/{iface_id}': () => void instance.requireStarted(),
  };
}

async function act<Machine extends RunningMachine>(
  action: string,
  { instance, metrics }: ApiParts<Machine>,
): Promise<void> {
  if (action === 'InstanceStart') return await instance.start();
  const machine = instance.requireStarted();
  if (action === 'SendCtrlAltDel') return await machine.sendCtrlAltDel();
  metrics.flush();
}

function configureLog(log: ApiLog, body: Members): void {
  try {
    log.configure({
      path: optionalText(body, 'log_path'),
      level: optionalText(body, 'level'),
      hasLevel: flag(body, 'show_level'),
    });
  } catch (error) {
    throw new Fault(`Logger error: Failed to open target file: ${osError(error)}`);
  }
}

function configureMetrics(metrics: ApiMetrics, body: Members): void {
  const failure = 'Metrics error: Cannot initialize the metrics system due to bad user input: ';
  if (metrics.isConfigured) throw new Fault(`${failure}Reinitialization of metrics not allowed.`);
  try {
    metrics.configure(text(body, 'metrics_path'));
  } catch (error) {
    throw new Fault(failure + osError(error));
  }
}
