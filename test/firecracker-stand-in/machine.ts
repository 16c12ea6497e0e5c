/**
 * The process that was started, once it is QEMU: handed over, asked and ended here.
 *
 *   shell (waits) ── command line ──▶ QEMU, stopped ── cont ──▶ running ⇄ stopped ──▶ ended
 *
 * When it ends, for whatever reason, this process does: it holds the other end of its standard input.
 */
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { KelpieError } from '../../src/base/errors.ts';
import { createNodeClock } from '../../src/env/node/clock.ts';
import { NodeConnection } from '../../src/env/node/connection.ts';
import { QmpClient } from '../../src/vm/qemu/qmp-client.ts';
import {
  continueCpus,
  enableMigrationEvents,
  queryRunState,
  saveDeviceState,
  stopCpus,
} from '../../src/vm/qemu/qmp-commands.ts';
import { tryConnect } from './try-connect.ts';
import type { SocketNames } from './qemu-arguments.ts';
import { AGENT_PORT_ID } from './qemu-arguments.ts';

/** Where the shell reads the command line (`firecracker`). */
const HANDOVER_DESCRIPTOR = 3;
const CONNECT_RETRY_MS = 5;
const GREETING_TIMEOUT_MS = 30_000;
const nothing = z.unknown().transform(() => undefined);

export class Machine {
  readonly #qmp: QmpClient;
  readonly sockets: SocketNames;
  #isAgentListening: boolean;

  private constructor(qmp: QmpClient, sockets: SocketNames, isAgentListening: boolean) {
    this.#qmp = qmp;
    this.sockets = sockets;
    this.#isAgentListening = isAgentListening;
    qmp.onEvent(({ name, data }) => {
      if (name === 'VSERPORT_CHANGE' && data['id'] === AGENT_PORT_ID)
        this.#isAgentListening = data['open'] === true;
    });
  }

  /** Turns the waiting shell into QEMU. @throws Error when it does not answer as it should. */
  static async start(
    line: readonly string[],
    sockets: SocketNames,
    isAgentListening: boolean,
  ): Promise<Machine> {
    // Not closed: when it is, QEMU is killed, however this process may have ended.
    writeSync(HANDOVER_DESCRIPTOR, [line.length, ...line].map((word) => `${word}\0`).join(''));
    const socket = await connectAbstract(sockets.control);
    const connection = new NodeConnection(socket, 'QEMU');
    return new Machine(
      await QmpClient.open(createNodeClock(), connection, GREETING_TIMEOUT_MS),
      sockets,
      isAgentListening,
    );
  }

  /** Whether the guest has opened its agent's port. */
  get isAgentListening(): boolean {
    return this.#isAgentListening;
  }

  async resume(): Promise<void> {
    await continueCpus(this.#qmp);
  }

  async pause(): Promise<void> {
    await stopCpus(this.#qmp);
  }

  async sendCtrlAltDel(): Promise<void> {
    const keys = ['ctrl', 'alt', 'delete'].map((data) => ({ type: 'qcode', data }));
    await this.#qmp.execute('send-key', { keys }, nothing);
  }

  async setBalloon(bytes: number): Promise<void> {
    await this.#qmp.execute('balloon', { value: bytes }, nothing);
  }

  async balloonBytes(): Promise<number> {
    const { actual } = await this.#qmp.execute('query-balloon', null, z.object({ actual: z.number() }));
    return actual;
  }

  /** Puts another file behind a drive. */
  async replaceFile(node: string, readOnly: boolean, file: Readonly<Record<string, unknown>>): Promise<void> {
    const name = `file-${Date.now()}`;
    await this.#qmp.execute('blockdev-add', { ...file, 'node-name': name }, nothing);
    const options = { driver: 'raw', 'node-name': node, 'read-only': readOnly, file: name };
    await this.#qmp.execute('blockdev-reopen', { options: [options] }, nothing);
  }

  /** Every device's state, without RAM. @param besides a path beside which a file may stand for a moment. */
  async deviceState(besides: string): Promise<Uint8Array> {
    const path = `${besides}.devices`;
    const descriptor = openSync(path, 'w');
    try {
      // The name is gone at once, and QEMU writes to the file that is left: so nothing is, whoever is killed.
      unlinkSync(path);
      const open = `/proc/${process.pid}/fd/${descriptor}`;
      await saveDeviceState(this.#qmp, open);
      return await readFile(open);
    } finally {
      closeSync(descriptor);
    }
  }

  /** Loads a device state out of a file; the guest is stopped afterwards. @throws KelpieError when it does not fit. */
  async loadDeviceState(path: string, offset: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const stopListening = this.#qmp.onEvent(({ name, data }) => {
      if (name === 'MIGRATION' && (data['status'] === 'completed' || data['status'] === 'failed'))
        resolve(data['status']);
    });
    await enableMigrationEvents(this.#qmp);
    const quoted = `'${path.replaceAll("'", String.raw`'\''`)}'`;
    await this.#qmp.execute('migrate-incoming', { uri: `exec:tail -c +${offset + 1} -- ${quoted}` }, nothing);
    const outcome = await Promise.race([promise, this.#qmp.closed.then(() => 'ended')]);
    stopListening();
    const runState = outcome === 'completed' ? await queryRunState(this.#qmp) : '';
    if (runState === 'paused') return;
    throw new KelpieError(
      'restore_failed',
      `QEMU did not load the device state: ${String(outcome)} ${runState}.`,
    );
  }

  /** Where the process has the guest's first byte of memory; the others follow, up to 3 GiB. */
  async memoryAddress(): Promise<number> {
    const answer = await this.#qmp.execute(
      'human-monitor-command',
      { 'command-line': 'gpa2hva 0' },
      z.string(),
    );
    const [, address] = /is 0x([0-9a-f]+)/.exec(answer) ?? [];
    if (address === undefined) throw new Error(`QEMU does not say where its memory is: ${answer}`);
    return Number.parseInt(address, 16);
  }
}

/** Waits for QEMU to be there. If it ends before, so does this process. */
async function connectAbstract(name: string): Promise<Socket> {
  for (;;) {
    const socket = await tryConnect(`\0${name}`);
    if (socket !== null) return socket;
    await sleep(CONNECT_RETRY_MS);
  }
}
