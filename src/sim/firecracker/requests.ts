/** From HTTP to a request of the interface: its operation, its body held to the description. Refusals have Firecracker's texts. */
import { bodyFault, isMembers } from './api/check-body.ts';
import { findOperation, operations } from './api/description.ts';
import { Fault } from './fault.ts';
import { text } from './fields.ts';
import type { Members } from './fields.ts';
import type { HttpRequest } from './handlers.ts';
import { isKnown } from './version.ts';
import type { Version } from './version.ts';

export interface ApiRequest {
  /** `PUT /drives/{drive_id}` */
  readonly operation: string;
  /** Empty when there is none. */
  readonly body: Members;
}

/** Requests of which the description asks for more than is needed: they change a part. */
const partial: ReadonlySet<string> = new Set(['PATCH /machine-config']);

/** Fields of which a header of the answer says that they will go away. */
const deprecated: Readonly<Record<string, readonly string[]>> = {
  'PUT /machine-config': ['cpu_template'],
  'PATCH /machine-config': ['cpu_template'],
  'PUT /vsock': ['vsock_id'],
  'PUT /snapshot/load': ['mem_file_path', 'enable_diff_snapshots'],
};

/** @throws Fault. */
export function parseRequest(request: HttpRequest, version: Version): ApiRequest {
  const { method, path, body } = request;
  checkBodyPresence(method, path, body);
  const found = findOperation(method, path.length > 1 ? path.replace(/\/$/, '') : path);
  const operation = found === null ? '' : `${method} ${found.operation.template}`;
  if (found === null || !isKnown(operation, version)) throw new Fault(pathFault(method, path));
  if (found.id !== null) checkId(found.id);
  if (found.operation.body === null || (body === null && !found.operation.isBodyRequired)) {
    return { operation, body: {} };
  }
  const value = parseJson(body ?? '');
  const fault = bodyFault(found.operation.body, value, { version, isPartial: partial.has(operation) });
  if (fault !== null) throw jsonFault(fault);
  const members = isMembers(value) ? value : {};
  if (partial.has(operation) && Object.keys(members).length === 0) throw new Fault('Empty PATCH request.');
  if (found.id !== null) checkSameId(found.id, operation, members);
  if (operation === 'PUT /snapshot/load') checkMemoryBackend(members);
  return { operation, body: members };
}

export function isDeprecated({ operation, body }: ApiRequest): boolean {
  const fields = deprecated[operation] ?? [];
  return fields.some((field) => body[field] !== undefined && body[field] !== null && body[field] !== false);
}

function checkBodyPresence(method: string, path: string, body: string | null): void {
  if (method === 'GET' && body !== null) throw new Fault('GET request cannot have a body.');
  const isBodyless = path.startsWith('/balloon/hinting/');
  if (body !== null || isBodyless) return;
  if (method === 'PUT') throw new Fault('Empty PUT request.');
  if (method === 'PATCH') throw new Fault('Empty PATCH request.');
}

function pathFault(method: string, path: string): string {
  const [, first = ''] = path.split('/');
  const isResource = operations.some(({ template }) => template.startsWith(`/${first}/{`));
  if (isResource && path.split('/').length <= 2) return 'The ID cannot be empty.';
  return `Invalid request method and/or path: ${method} ${first}.`;
}

function checkId(id: string): void {
  if (id === '') throw new Fault('The ID cannot be empty.');
  if (!/^[\p{L}\p{N}_]+$/u.test(id)) {
    throw new Fault('API Resource IDs can only contain alphanumeric characters and underscores.');
  }
}

function checkSameId(id: string, operation: string, body: Members): void {
  const isNet = operation.includes('/network-interfaces/');
  const name = isNet ? 'iface_id' : operation.includes('/drives/') ? 'drive_id' : 'id';
  const other = text(body, name);
  if (other === id) return;
  throw new Fault(
    isNet
      ? `The id from the path [${id}] does not match the id from the body [${other}]!`
      : 'The id from the path does not match the id from the body!',
  );
}

function checkMemoryBackend(body: Members): void {
  const hasBackend = isMembers(body['mem_backend']);
  const hasPath = typeof body['mem_file_path'] === 'string';
  if (hasBackend && hasPath) {
    throw jsonFault('too many fields: either `mem_backend` or `mem_file_path` exclusively is required');
  }
  if (!hasBackend && !hasPath) {
    throw jsonFault('missing field: either `mem_backend` or `mem_file_path` is required');
  }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw jsonFault('expected value at line 1 column 1');
  }
}

function jsonFault(fault: string): Fault {
  return new Fault(`An error occurred when deserializing the json body of a request: ${fault}.`);
}
