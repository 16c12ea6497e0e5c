/**
 * `slirp4netns`, simulated at the wire: its command line, its device in the namespace of another process, its socket, and the ports that it
 * listens on. It goes on when that process has ended, as the real one does.
 */
import { z } from 'zod';
import { concat, fromUtf8, utf8 } from '../../../base/bytes.ts';
import type { Bytes } from '../../../base/bytes.ts';
import type { Env } from '../../../env/env.ts';
import type { Connection } from '../../../env/sockets.ts';
import { isSystemError } from '../../../env/system-error.ts';
import { readOrNull } from '../../env/read-or-null.ts';
import type { Program } from '../../machine.ts';
import type { SimProcess } from '../../process.ts';
import type { WorldTruth } from '../world-truth.ts';
import type { KernelObjects } from './kernel-objects.ts';
import { tryAppendText } from './text-file.ts';

/** Simulated milliseconds. */
const START_MS_MAX = 20;
const LIFE_MS_MAX = 20_000;
const REQUEST_BYTES_MAX = 4096;
const GUEST_ADDRESS = '10.0.2.15';

const requestSchema = z.union([
  z.object({ execute: z.literal('list_hostfwd') }),
  z.object({
    execute: z.literal('add_hostfwd'),
    arguments: z.object({
      proto: z.literal('tcp'),
      host_addr: z.literal('127.0.0.1'),
      host_port: z.int().positive(),
      guest_addr: z.literal(GUEST_ADDRESS),
      guest_port: z.int().positive(),
    }),
  }),
]);

/** What may go wrong with one: it does not start, answers nobody, or somebody else has each port. */
const refusalKinds = ['start', 'silence', 'ports'] as const;
type Refusal = (typeof refusalKinds)[number] | null;

/** @param hasOwnMounts it was started in a mount namespace of its own. */
export function slirpProgram(kernel: KernelObjects, truth: WorldTruth, hasOwnMounts = false): Program {
  return async ({ process, env, args, streams }) => {
    const { machine, label } = process;
    if (process.uid === 0 && !hasOwnMounts)
      truth.violated('host', 'the sandbox of root’s slirp4netns takes away mounts of the host');
    await env.clock.sleep(machine.random.fraction() * START_MS_MAX);
    const refusal = machine.faults.hit('slirp_refused', label)?.random.pick(refusalKinds) ?? null;
    if (refusal === 'start' || !attach(kernel, truth, { process, args })) {
      if (streams.file !== null) tryAppendText(machine, streams.file, 'child failed(1)\n');
      return 1;
    }
    const path = args[args.indexOf('--api-socket') + 1] ?? '';
    await env.sockets.listen({ kind: 'unix', path }, (connection) => {
      void answer({ env, truth, refusal }, connection);
    });
    const crash = machine.faults.hit('slirp_crash', label);
    if (crash === null) return await Promise.withResolvers<number>().promise;
    await env.clock.sleep(crash.random.fraction() ** 2 * LIFE_MS_MAX);
    return 1;
  };
}

/** False where there is no such device. A guest that could not be reached by it would have a network by name only. */
function attach(
  kernel: KernelObjects,
  truth: WorldTruth,
  { process, args }: { readonly process: SimProcess; readonly args: readonly string[] },
): boolean {
  const [pid = '', name = ''] = args.slice(-2);
  const { namespace = '' } = process.machine.process(Number(pid)) ?? {};
  const tap = kernel.tap(namespace, name);
  if (tap === null) return false;
  if (!tap.isUp || tap.bridge === null || tap.attached?.isAlive === true)
    truth.violated('host', `slirp4netns is started on ${name}, which is in use, or leads nowhere`);
  tap.attached = process;
  truth.mark('user network: used');
  return true;
}

interface Serving {
  readonly env: Env;
  readonly truth: WorldTruth;
  readonly refusal: Refusal;
}

async function answer(serving: Serving, connection: Connection): Promise<void> {
  const text = await readAll(connection);
  if (serving.refusal === 'silence') return;
  try {
    await connection.write(utf8(JSON.stringify(await replyTo(serving, text))));
  } catch (error) {
    // Whoever asked is gone.
    if (!isSystemError(error)) throw error;
  } finally {
    connection.close();
  }
}

async function replyTo({ env, truth, refusal }: Serving, text: string): Promise<object> {
  const request = parseRequest(text);
  if (request === null) return { error: { desc: 'bad request: cannot parse JSON' } };
  if (request.execute === 'list_hostfwd') return { entries: [] };
  const { host_addr: host, host_port: port } = request.arguments;
  const refused = { error: { desc: 'bad request: add_hostfwd: slirp_add_hostfwd failed' } };
  if (refusal === 'ports') return refused;
  try {
    await env.sockets.listen({ kind: 'tcp', host, port }, (connection) => connection.close());
    truth.mark('user network: port published');
    return { return: { id: 1 } };
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return refused;
  }
}

/** Null for what whoever asked has not ended. */
function parseRequest(text: string): z.infer<typeof requestSchema> | null {
  try {
    return requestSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

async function readAll(connection: Connection): Promise<string> {
  const parts: Bytes[] = [];
  for (let length = 0; length < REQUEST_BYTES_MAX; length += parts.at(-1)?.byteLength ?? 0) {
    const bytes = await readOrNull(connection);
    if (bytes === null) break;
    parts.push(bytes);
  }
  return fromUtf8(concat(parts));
}
