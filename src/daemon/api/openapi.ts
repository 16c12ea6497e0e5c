/** The API as OpenAPI 3.1, made from the table of routes: `docs/openapi.json` is this, and a test holds them equal. */
import { z } from 'zod';
import { KELPIE_VERSION } from '../../base/version.ts';
import { factsDocument } from '../../snapshot/compatibility/facts-document.ts';
import { EVENTS_CONTENT_TYPE } from './events.ts';
import { BLOB_CONTENT_TYPE } from './blob-frames.ts';
import { EXEC_CONTENT_TYPE } from './exec-frames.ts';
import { isErrorCode } from '../../base/error-codes.ts';
import { PROBLEM_CONTENT_TYPE } from './problem.ts';
import { routes } from './routes.ts';
import { vmView } from './vms.ts';
import type { OperationEvent } from './events.ts';
import type { Problem } from './problem.ts';
import type { Route } from './routes.ts';

type Json = Readonly<Record<string, unknown>>;

/** What `readProblem` takes, which is written by hand because every command loads it. */
export const problem: z.ZodType<Problem> = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string().refine(isErrorCode),
  data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])),
});

/** What `readEvent` takes, likewise. */
export const operationEvent: z.ZodType<OperationEvent> = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('progress'),
    phase: z.string(),
    item: z.string().nullable(),
    doneBytes: z.number().nullable(),
    totalBytes: z.number().nullable(),
  }),
  z.object({ event: z.literal('notice'), text: z.string() }),
  z.object({ event: z.literal('result'), result: z.unknown() }),
  z.object({ event: z.literal('error'), problem }),
]);

/** What many answers have: described once, and referred to. None may be a part of an intersection, whose other part would refuse its fields. */
const components: Readonly<Record<string, z.ZodType>> = {
  Problem: problem,
  OperationEvent: operationEvent,
  VmView: vmView,
  HostFacts: factsDocument,
};
const references: ReadonlyMap<unknown, string> = new Map(
  Object.entries(components).map(([name, schema]) => [schema, `#/components/schemas/${name}`]),
);

/** A document that only depends on the routes. */
export async function describeApi(): Promise<Json> {
  const paths: Record<string, Record<string, Json>> = {};
  for (const [name, route] of Object.entries<Route>({ ...routes })) {
    const path = route.path.replaceAll(/:([a-z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: await describeRoute(name, route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'kelpied',
      version: KELPIE_VERSION,
      description:
        'The API of one host, over the Unix socket `kelpied.sock` in KELPIE_HOME. Errors are RFC 9457 problem details with a stable `code`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      schemas: Object.fromEntries(
        Object.entries(components).map(([name, schema]) => [name, schemaOf(schema, 'output', schema)]),
      ),
    },
  };
}

async function describeRoute(name: string, route: Route): Promise<Json> {
  const inPath = [...route.path.matchAll(/:([a-z]+)/g)].map(([, parameter]) => ({
    name: parameter,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  return {
    operationId: name,
    summary: route.summary,
    parameters: [...inPath, ...(await queryParameters(route))],
    ...(route.body === undefined ? {} : { requestBody: { content: await bodyContent(route.body) } }),
    responses: {
      200: { description: answerText[route.answer], content: await answerContent(route) },
      default: {
        description: 'What went wrong',
        content: { [PROBLEM_CONTENT_TYPE]: { schema: schemaOf(problem, 'output') } },
      },
    },
  };
}

const answerText: Readonly<Record<Route['answer'], string>> = {
  json: 'The answer',
  events:
    'One JSON object per line: progress and notices, then one result (of the schema in x-result) or error',
  bytes: 'Raw bytes',
  frames: 'Frames of an attached session, as src/daemon/api/exec-frames.ts describes them',
  blob: 'Frames of an export, as src/daemon/api/blob-frames.ts describes them; the first is of the schema in x-opened',
};

async function answerContent(route: Route): Promise<Json> {
  const result = route.result === undefined ? {} : schemaOf(await route.result(), 'output');
  switch (route.answer) {
    case 'json':
      return { 'application/json': { schema: result } };
    case 'events':
      return {
        [EVENTS_CONTENT_TYPE]: {
          schema: schemaOf(operationEvent, 'output'),
          'x-result': result,
        },
      };
    case 'bytes':
      return { 'application/octet-stream': {} };
    case 'frames':
      return { [EXEC_CONTENT_TYPE]: {} };
    case 'blob':
      return { [BLOB_CONTENT_TYPE]: { 'x-opened': result } };
    default:
      return route.answer satisfies never;
  }
}

async function bodyContent(body: NonNullable<Route['body']>): Promise<Json> {
  if (body === 'bytes') return { 'application/octet-stream': {} };
  if (body === 'frames') return { [EXEC_CONTENT_TYPE]: {} };
  return { 'application/json': { schema: schemaOf(await body(), 'input') } };
}

const objectSchema = z.object({
  properties: z.record(z.string(), z.unknown()).default({}),
  required: z.array(z.string()).default([]),
});

async function queryParameters({ query }: Route): Promise<readonly Json[]> {
  if (query === undefined) return [];
  const { properties, required } = objectSchema.parse(schemaOf(await query(), 'input'));
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}

/**
 * Components are referred to, but not in what is taken: that may be written in other ways than what is answered.
 * @param whole the component that is described itself; it is not referred to from within.
 */
function schemaOf(schema: z.ZodType, io: 'input' | 'output', whole: unknown = null): Json {
  const { $schema: _, ...described } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const reference = io === 'output' && zodSchema !== whole ? references.get(zodSchema) : undefined;
      if (reference === undefined) return;
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
      jsonSchema.$ref = reference;
    },
  });
  return described;
}
