/** Whether a body is what the description says, told in the words of Firecracker's own parser (serde). */
import { definition, definitionName } from './description.ts';
import type { Schema } from './description.ts';
import { isKnown } from '../version.ts';
import type { Version } from '../version.ts';

export type Members = Readonly<Record<string, unknown>>;

/** What a name stands for in a request that changes only some of it. */
export interface BodyRules {
  readonly version: Version;
  /** Nothing is missing: for requests that change a part. */
  readonly isPartial: boolean;
}

/** @returns what is wrong with `value`, or null. */
export function bodyFault(name: string, value: unknown, rules: BodyRules): string | null {
  return schemaFault(name, definition(name), value, rules);
}

export function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function schemaFault(name: string, schema: Schema, value: unknown, rules: BodyRules): string | null {
  const referred = definitionName(schema);
  if (referred !== null) return bodyFault(referred, value, { ...rules, isPartial: false });
  switch (schema.type) {
    case 'object':
      return isMembers(value) ? objectFault(name, schema, value, rules) : typeFault(value, `struct ${name}`);
    case 'array':
      return Array.isArray(value) ? arrayFault(name, schema, value, rules) : typeFault(value, 'a sequence');
    case 'string':
      return typeof value === 'string' ? enumFault(schema, value) : typeFault(value, 'a string');
    case 'boolean':
      return typeof value === 'boolean' ? null : typeFault(value, 'a boolean');
    case 'integer':
      return integerFault(schema, value);
    default:
      return null;
  }
}

function objectFault(name: string, schema: Schema, value: Members, rules: BodyRules): string | null {
  const { properties } = schema;
  // The contents of the metadata service are whatever they are.
  if (properties === undefined) return null;
  const names = Object.keys(properties).filter((field) => isKnown(`${name}.${field}`, rules.version));
  for (const [field, member] of Object.entries(value)) {
    const fieldSchema = names.includes(field) ? properties[field] : undefined;
    if (fieldSchema === undefined) return `unknown field \`${field}\`, expected ${anyOf(names)}`;
    // What is optional may be given as null.
    if (member === null && schema.required?.includes(field) !== true) continue;
    const fault = schemaFault(name, fieldSchema, member, rules);
    if (fault !== null) return fault;
  }
  if (rules.isPartial) return null;
  const missing = schema.required?.find((field) => !(field in value));
  return missing === undefined ? null : `missing field \`${missing}\``;
}

function arrayFault(
  name: string,
  schema: Schema,
  values: readonly unknown[],
  rules: BodyRules,
): string | null {
  if (schema.items === undefined) return null;
  for (const value of values) {
    const fault = schemaFault(name, schema.items, value, rules);
    if (fault !== null) return fault;
  }
  return null;
}

function enumFault(schema: Schema, value: string): string | null {
  if (schema.enum === undefined || schema.enum.includes(value)) return null;
  return `unknown variant \`${value}\`, expected ${anyOf(schema.enum)}`;
}

/** Bounds that the description has are checked where the value is used: the parser knows only the width of a number. */
function integerFault(schema: Schema, value: unknown): string | null {
  if (typeof value !== 'number') return typeFault(value, 'an integer');
  if (!Number.isSafeInteger(value)) return `invalid type: floating point \`${value}\`, expected an integer`;
  if (value >= Math.min(schema.minimum ?? 0, 0)) return null;
  return `invalid value: integer \`${value}\`, expected an unsigned integer`;
}

function typeFault(value: unknown, expected: string): string {
  return `invalid type: ${describe(value)}, expected ${expected}`;
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'sequence';
  if (typeof value === 'object') return 'map';
  if (typeof value === 'string') return `string "${value}"`;
  return `${typeof value === 'number' ? 'integer' : 'boolean'} \`${JSON.stringify(value)}\``;
}

function anyOf(names: readonly string[]): string {
  const quoted = names.map((name) => `\`${name}\``);
  if (quoted.length <= 2) return quoted.join(' or ');
  return `one of ${quoted.join(', ')}`;
}
