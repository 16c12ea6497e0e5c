import { CPU_FLAGS_MAX } from '../limits.ts';
import type { CpuFacts } from '../metadata.ts';

/** Longest `/proc/cpuinfo` that is read: some kilobytes for each of many processors. */
export const CPUINFO_BYTES_MAX: number = 8 * 1024 * 1024;
const CPU_NAME_LENGTH_MAX = 64;

const word = /^\w{1,32}$/;

/**
 * The processor that `/proc/cpuinfo` describes; null when it does not say, or when there are several kinds: a guest may be moved
 * from one to another at any time, so none of them is what it sees.
 */
export function parseCpuinfo(text: string): CpuFacts | null {
  const processors = text
    .split(/\n\s*\n/)
    .map(fieldsOf)
    .filter((fields) => fields.has('processor'));
  const kinds = processors.map((fields) => x86Facts(fields) ?? armFacts(fields));
  const [first] = kinds;
  if (first === undefined || first === null) return null;
  let { flags } = first;
  for (const kind of kinds) {
    if (
      kind === null ||
      kind.vendor !== first.vendor ||
      kind.family !== first.family ||
      kind.model !== first.model
    )
      return null;
    const have = new Set(kind.flags);
    flags = flags.filter((flag) => have.has(flag));
  }
  return { ...first, flags };
}

function fieldsOf(section: string): ReadonlyMap<string, string> {
  return new Map(
    section.split('\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const];
    }),
  );
}

function x86Facts(fields: ReadonlyMap<string, string>): CpuFacts | null {
  const vendor = fields.get('vendor_id') ?? '';
  const family = wholeNumber(fields.get('cpu family'));
  const model = wholeNumber(fields.get('model'));
  if (family === null || model === null || !word.test(vendor)) return null;
  return {
    vendor,
    family,
    model,
    modelName: nameOf(fields.get('model name') ?? ''),
    flags: flagsOf(fields.get('flags')),
  };
}

/** arm64 has no family: the implementer names the vendor, part and variant the design. */
function armFacts(fields: ReadonlyMap<string, string>): CpuFacts | null {
  const vendor = fields.get('CPU implementer') ?? '';
  const family = wholeNumber(fields.get('CPU part'));
  const model = wholeNumber(fields.get('CPU variant'));
  if (family === null || model === null || !word.test(vendor)) return null;
  return {
    vendor,
    family,
    model,
    modelName: `${vendor} part ${family}`,
    flags: flagsOf(fields.get('Features')),
  };
}

function wholeNumber(text: string | undefined): number | null {
  return text !== undefined && /^(?:\d{1,6}|0x[0-9a-f]{1,6})$/.test(text) ? Number(text) : null;
}

function flagsOf(text = ''): readonly string[] {
  const flags = text.split(/\s+/).filter((flag) => word.test(flag));
  return [...new Set(flags)].toSorted().slice(0, CPU_FLAGS_MAX);
}

function nameOf(text: string): string {
  const shown = text
    .replaceAll(/[^\x20-\x7e]/g, '?')
    .slice(0, CPU_NAME_LENGTH_MAX)
    .trim();
  return shown === '' ? 'a CPU without a name' : shown;
}
