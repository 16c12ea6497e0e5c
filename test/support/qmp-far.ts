/** The far end of a control connection: a QEMU that a test plays. */
import assert from 'node:assert/strict';
import { z } from 'zod';
import { fromUtf8, utf8 } from '../../src/base/bytes.ts';
import type { Clock } from '../../src/env/clock.ts';
import type { Connection } from '../../src/env/sockets.ts';
import { QmpClient } from '../../src/vm/qemu/qmp-client.ts';
import { memoryConnectionPair } from './memory-connection.ts';

const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}';

/** The far end: says what it is told to, and hears the commands. */
export class QmpFar {
  readonly #connection: Connection;
  #text = '';

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async say(...lines: readonly string[]): Promise<void> {
    await this.#connection.write(utf8(lines.map((line) => `${line}\r\n`).join('')));
  }

  async hear(): Promise<{ readonly execute: string; readonly id: number; readonly arguments?: unknown }> {
    while (!this.#text.includes('\n')) {
      const bytes = await this.#connection.read();
      assert.ok(bytes !== null, 'the client is still there');
      this.#text += fromUtf8(bytes);
    }
    const end = this.#text.indexOf('\n');
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return z
      .object({ execute: z.string(), id: z.int(), arguments: z.unknown().optional() })
      .parse(JSON.parse(line));
  }

  async end(): Promise<void> {
    await this.#connection.end();
  }
}

export async function connectedQmp(
  clock: Clock,
): Promise<{ readonly client: QmpClient; readonly far: QmpFar }> {
  const [near, connection] = memoryConnectionPair();
  const far = new QmpFar(connection);
  const opening = QmpClient.open(clock, near, 5000);
  await far.say(GREETING);
  const { execute, id } = await far.hear();
  assert.equal(execute, 'qmp_capabilities');
  await far.say(`{"return": {}, "id": ${id}}`);
  return { client: await opening, far };
}
