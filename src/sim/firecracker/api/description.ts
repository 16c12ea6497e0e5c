/** Firecracker's published description of its interface, as this folder has it. */
import description from './firecracker-v1.16.1.json' with { type: 'json' };

/** A shape, in the words of Swagger 2.0 that the description uses. */
export interface Schema {
  readonly type?: string;
  readonly $ref?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A request that the description knows. */
export interface Operation {
  readonly method: string;
  /** `/drives/{drive_id}` */
  readonly template: string;
  /** The name of the body's definition, or null when it has none. */
  readonly body: string | null;
  readonly isBodyRequired: boolean;
}

interface Parameter {
  readonly in: string;
  readonly required?: boolean;
  readonly schema?: Schema;
}

interface DescribedOperation {
  readonly responses: object;
  readonly parameters?: readonly Parameter[];
}

const definitions: Readonly<Record<string, Schema>> = description.definitions;
const paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>> = description.paths;

export const operations: readonly Operation[] = Object.entries(paths).flatMap(([template, methods]) =>
  Object.entries(methods).map(([method, { parameters = [] }]) => {
    const body = parameters.find((parameter) => parameter.in === 'body');
    return {
      method: method.toUpperCase(),
      template,
      body: definitionName(body?.schema),
      isBodyRequired: body?.required === true,
    };
  }),
);

/** The shape of a definition. @throws Error when there is none: the name came from the description itself. */
export function definition(name: string): Schema {
  const schema = definitions[name];
  if (schema === undefined) throw new Error(`the description of the interface has no definition ${name}`);
  return schema;
}

/** `#/definitions/Drive` → `Drive`. */
export function definitionName(schema: Schema | undefined): string | null {
  return schema?.$ref?.replace('#/definitions/', '') ?? null;
}

/** The operation for a path, with what stands in its `{…}`. */
export function findOperation(
  method: string,
  path: string,
): { readonly operation: Operation; readonly id: string | null } | null {
  for (const operation of operations) {
    if (operation.method !== method) continue;
    const pattern = operation.template.replaceAll(/\{[a-z_]+\}/g, '([^/]*)');
    const match = new RegExp(`^${pattern}$`).exec(path);
    if (match !== null) return { operation, id: match[1] ?? null };
  }
  return null;
}
