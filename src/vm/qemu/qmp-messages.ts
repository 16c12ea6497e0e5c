/** What comes over QEMU's control connection (QMP), one JSON object a line: docs/interop/qmp-spec of QEMU. */
import { z } from 'zod';
import { KelpieError } from '../../base/errors.ts';

export type QmpArguments = Readonly<Record<string, unknown>>;

/** A notice from QEMU; the members of `data` depend on its name. */
export interface QmpEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: string }
  | { readonly kind: 'event'; readonly event: QmpEvent }
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly id: number | null; readonly description: string };

const members = z.record(z.string(), z.unknown());
const versionSchema = z.object({
  qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }),
  package: z.string(),
});

/** `qemu: {7, 2, 22}, package: "Debian …"` → `7.2.22 (Debian …)`. */
function formatVersion({ qemu, package: pack }: z.infer<typeof versionSchema>): string {
  const number = `${qemu.major}.${qemu.minor}.${qemu.micro}`;
  return pack === '' ? number : `${number} (${pack})`;
}

const messageSchema = z.union([
  z
    .object({ QMP: z.object({ version: versionSchema }) })
    .transform(({ QMP }): QmpMessage => ({ kind: 'greeting', version: formatVersion(QMP.version) })),
  z.object({ event: z.string(), data: members.optional() }).transform(({ event, data }): QmpMessage => ({
    kind: 'event',
    event: { name: event, data: data ?? {} },
  })),
  z
    .object({ error: z.object({ desc: z.string() }), id: z.int().optional() })
    .transform(({ error, id }): QmpMessage => ({ kind: 'refusal', id: id ?? null, description: error.desc })),
  z
    .object({ return: z.unknown(), id: z.int() })
    .transform((message): QmpMessage => ({ kind: 'result', id: message.id, value: message.return })),
]);

/** @throws KelpieError `vm_backend_failed` when the line is no message of the protocol. */
export function parseQmpMessage(line: string): QmpMessage {
  try {
    return messageSchema.parse(JSON.parse(line));
  } catch (error) {
    throw new KelpieError('vm_backend_failed', 'QEMU sent something that is not a message of its protocol.', {
      cause: error,
      data: { message: line.slice(0, 200) },
    });
  }
}

/** One line with a command. */
export function formatQmpCommand(id: number, command: string, args: QmpArguments | null): string {
  return `${JSON.stringify({ execute: command, id, ...(args === null ? {} : { arguments: args }) })}\n`;
}
