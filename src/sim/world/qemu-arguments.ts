/** The parts of QEMU's command line that the simulated one heeds. */
import { z } from 'zod';
import { defined } from '../../base/assert.ts';
import { MIB } from '../../base/units.ts';
import { parseJson } from '../parse-json.ts';

export interface BlockNode {
  readonly node: string;
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  readonly backing: string | null;
}

export interface QemuCommandLine {
  readonly control: string;
  readonly agent: string;
  readonly memoryPath: string;
  readonly memoryBytes: number;
  readonly nodes: readonly BlockNode[];
  /** The node behind the data disk. */
  readonly dataNode: string;
  readonly isIncoming: boolean;
}

export function parseQemuArguments(args: readonly string[]): QemuCommandLine {
  const values = (name: string): readonly string[] =>
    args.flatMap((arg, index) => (arg === name ? [args[index + 1] ?? ''] : []));
  const withMembers = (name: string, wanted: string): ReadonlyMap<string, string> => {
    const found = values(name)
      .map(membersOf)
      .find((members) => [...members.values()].includes(wanted));
    return defined(found, `${name} ${wanted}`);
  };
  const memory = withMembers('-object', 'memory-backend-file');
  const member = (members: ReadonlyMap<string, string>, name: string): string =>
    defined(members.get(name), name);
  return {
    control: member(withMembers('-chardev', 'qmp'), 'path'),
    agent: member(withMembers('-chardev', 'agent'), 'path'),
    memoryPath: member(memory, 'mem-path'),
    memoryBytes: Number.parseInt(member(memory, 'size'), 10) * MIB,
    nodes: values('-blockdev').map(blockNode),
    dataNode: member(withMembers('-device', 'data'), 'drive'),
    isIncoming: values('-incoming').includes('defer'),
  };
}

function membersOf(option: string): ReadonlyMap<string, string> {
  return new Map(
    option.split(',').map((part) => {
      const at = part.indexOf('=');
      return at === -1 ? ['', part] : [part.slice(0, at), part.slice(at + 1)];
    }),
  );
}

interface BlockOption {
  readonly driver: 'raw' | 'qcow2';
  readonly 'node-name': string;
  readonly file: { readonly filename: string };
  readonly backing?: string | null;
}

const blockSchema: z.ZodType<BlockOption> = z.object({
  driver: z.enum(['raw', 'qcow2']),
  'node-name': z.string(),
  file: z.object({ filename: z.string() }),
  backing: z.exactOptional(z.string().nullable()),
});

export function blockNode(json: string): BlockNode {
  const option = parseJson(blockSchema, json);
  return {
    node: option['node-name'],
    path: option.file.filename,
    format: option.driver,
    backing: option.backing ?? null,
  };
}
