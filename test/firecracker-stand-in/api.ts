/** Every request of the interface, and what it does. */
import { Fault, osError } from './fault.ts';
import { flag, integer, optionalText, text } from './fields.ts';
import type { Members } from './fields.ts';
import type { HttpAnswer, HttpRequest } from './http.ts';
import type { Instance } from './instance.ts';
import { parseLevel } from './log.ts';
import type { Log } from './log.ts';
import { describeMachineConfig, machineConfigDefault } from './machine-config.ts';
import type { Metrics } from './metrics.ts';
import type { Mmds } from './mmds.ts';
import { hostPath } from './paths.ts';
import { isDeprecated, parseRequest } from './requests.ts';
import { patchBalloon, patchDrive, readBalloon, readBalloonStatistics } from './running-devices.ts';
import type { Settings } from './settings.ts';
import { formatVersion } from './version.ts';

/** What a request answers with: an object, or nothing (204). */
type Result = Members | undefined | Promise<Members | undefined | void> | void;

interface ApiParts {
  readonly id: string;
  readonly settings: Settings;
  readonly instance: Instance;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly mmds: Mmds;
}

type Handler = (body: Members, parts: ApiParts) => Result;

/** How long these took is told by the metrics and the log. */
const latencies: Readonly<Record<string, (body: Members) => string>> = {
  'PATCH /vm': (body) => (text(body, 'state') === 'Paused' ? 'pause_vm' : 'resume_vm'),
  'PUT /snapshot/load': () => 'load_snapshot',
  'PUT /snapshot/create': (body) =>
    `${optionalText(body, 'snapshot_type') === 'Diff' ? 'diff' : 'full'}_create_snapshot`,
};

const handlers: Readonly<Record<string, Handler>> = {
  'GET /': (_, { id, instance, settings }) => ({
    id,
    state: instance.state,
    vmm_version: formatVersion(settings.version),
    app_name: 'Firecracker',
  }),
  'GET /version': (_, { settings }) => ({ firecracker_version: formatVersion(settings.version) }),
  'GET /vm/config': (_, { instance }) => instance.resources.describe(),
  'GET /machine-config': (_, { instance }) => describeMachineConfig(instance.resources.machine),
  'PUT /machine-config': configured((resources, body) => resources.setMachine(body, machineConfigDefault)),
  'PATCH /machine-config': configured((resources, body) => resources.setMachine(body, resources.machine)),
  'PUT /boot-source': configured((resources, body) => resources.setBootSource(body)),
  'PUT /drives/{drive_id}': configured((resources, body) => resources.setDrive(body)),
  'PUT /network-interfaces/{iface_id}': configured((resources, body) => resources.setNetworkInterface(body)),
  'PUT /balloon': configured((resources, body) => resources.setBalloon(body)),
  'PUT /entropy': configured((resources, body) => {
    resources.devices = { ...resources.devices, entropy: body };
  }),
  'PUT /cpu-config': (body, { instance }) => {
    instance.prepare(() => {
      instance.resources.cpuConfig = body;
    });
  },
  'PUT /mmds/config': configured((resources, body) => resources.setMmdsConfig(body)),
  'PUT /vsock': (body, { instance }) => instance.setVsock(body),
  'PUT /logger': (body, { instance, log, settings }) =>
    instance.prepare(() => configureLog(log, body, settings)),
  'PUT /metrics': (body, { instance, metrics, settings }) =>
    instance.prepare(() => configureMetrics(metrics, body, settings)),
  'PUT /serial': (body, { instance }) => {
    instance.prepare(() => {
      instance.resources.serialPath = optionalText(body, 'serial_out_path');
    });
  },
  'PUT /actions': (body, parts) => act(text(body, 'action_type'), parts),
  'PATCH /vm': (body, { instance }) =>
    text(body, 'state') === 'Paused' ? instance.pause() : instance.resume(),
  'PUT /snapshot/create': (body, { instance }) => instance.createSnapshot(body),
  'PUT /snapshot/load': (body, { instance }) => instance.load(body),
  'GET /mmds': (_, { mmds }) => mmds.content,
  'PUT /mmds': (body, { mmds }) => mmds.put(body),
  'PATCH /mmds': (body, { mmds }) => mmds.patch(body),
  'GET /balloon': (_, { instance }) => readBalloon(instance),
  'PATCH /balloon': (body, { instance }) => patchBalloon(instance, integer(body, 'amount_mib')),
  'GET /balloon/statistics': (_, { instance }) => readBalloonStatistics(instance),
  'PATCH /drives/{drive_id}': (body, { instance, settings }) => patchDrive(instance, body, settings.jail),
  // Rate limits are taken and not kept: nothing here is that fast.
  'PATCH /network-interfaces/{iface_id}': (_, { instance }) => {
    instance.requireStarted();
  },
};

export class Api {
  readonly #parts: ApiParts;

  constructor(parts: ApiParts) {
    this.#parts = parts;
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
    const parsed = parseRequest(request, this.#parts.settings.version);
    const handler = handlers[parsed.operation];
    if (handler === undefined) throw new Fault(`The stand-in does not do ${parsed.operation}.`);
    const startMs = performance.now();
    const json = (await handler(parsed.body, this.#parts)) ?? null;
    const latency = latencies[parsed.operation]?.(parsed.body);
    if (latency !== undefined) this.#parts.metrics.latency(latency, performance.now() - startMs);
    return { status: json === null ? 204 : 200, json, isDeprecated: isDeprecated(parsed) };
  }
}

function configured(change: (resources: Instance['resources'], body: Members) => void): Handler {
  return (body, { instance }) => instance.configure((resources) => change(resources, body));
}

async function act(action: string, { instance, metrics }: ApiParts): Promise<void> {
  if (action === 'InstanceStart') return await instance.start();
  const { machine } = instance.requireStarted();
  if (action === 'SendCtrlAltDel') return await machine.sendCtrlAltDel();
  metrics.flush();
}

function configureLog(log: Log, body: Members, { jail }: Settings): void {
  const path = optionalText(body, 'log_path');
  const level = optionalText(body, 'level');
  try {
    log.configure({
      path: path === null ? null : hostPath(path, jail),
      level: level === null ? null : parseLevel(level),
      hasLevel: flag(body, 'show_level'),
    });
  } catch (error) {
    throw new Fault(`Logger error: Failed to open target file: ${osError(error)}`);
  }
}

function configureMetrics(metrics: Metrics, body: Members, { jail }: Settings): void {
  const failure = 'Metrics error: Cannot initialize the metrics system due to bad user input: ';
  if (metrics.isConfigured) throw new Fault(`${failure}Reinitialization of metrics not allowed.`);
  try {
    metrics.configure(hostPath(text(body, 'metrics_path'), jail));
  } catch (error) {
    throw new Fault(failure + osError(error));
  }
}
