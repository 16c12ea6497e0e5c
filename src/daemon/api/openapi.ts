/** The API as OpenAPI 3.1, made from the table of routes: `docs/openapi.json` is this, and a test holds them equal. */
import { z } from 'zod';
import { KELPIE_VERSION } from '../../base/version.ts';
import { EVENTS_CONTENT_TYPE, operationEvent } from './events.ts';
import { EXEC_CONTENT_TYPE } from './exec-frames.ts';
import { PROBLEM_CONTENT_TYPE, problem } from './problem.ts';
import { routes } from './routes.ts';
import type { Route } from './routes.ts';

type Json = Readonly<Record<string, unknown>>;

/** A document that only depends on the routes. */
export function describeApi(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const [name, route] of Object.entries<Route>({ ...routes })) {
    const path = route.path.replaceAll(/:([a-z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeRoute(name, route) };
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
      schemas: { Problem: schemaOf(problem, 'output'), OperationEvent: schemaOf(operationEvent, 'output') },
    },
  };
}

function describeRoute(name: string, route: Route): Json {
  const inPath = [...route.path.matchAll(/:([a-z]+)/g)].map(([, parameter]) => ({
    name: parameter,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  return {
    operationId: name,
    summary: route.summary,
    parameters: [...inPath, ...queryParameters(route)],
    ...(route.body === undefined ? {} : { requestBody: { content: bodyContent(route.body) } }),
    responses: {
      200: { description: answerText[route.answer], content: answerContent(route) },
      default: {
        description: 'What went wrong',
        content: { [PROBLEM_CONTENT_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
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
};

function answerContent(route: Route): Json {
  const result = route.result === undefined ? {} : schemaOf(route.result, 'output');
  switch (route.answer) {
    case 'json':
      return { 'application/json': { schema: result } };
    case 'events':
      return {
        [EVENTS_CONTENT_TYPE]: {
          schema: { $ref: '#/components/schemas/OperationEvent' },
          'x-result': result,
        },
      };
    case 'bytes':
      return { 'application/octet-stream': {} };
    case 'frames':
      return { [EXEC_CONTENT_TYPE]: {} };
    default:
      return route.answer satisfies never;
  }
}

function bodyContent(body: NonNullable<Route['body']>): Json {
  if (body === 'bytes') return { 'application/octet-stream': {} };
  if (body === 'frames') return { [EXEC_CONTENT_TYPE]: {} };
  return { 'application/json': { schema: schemaOf(body, 'input') } };
}

const objectSchema = z.object({
  properties: z.record(z.string(), z.unknown()).default({}),
  required: z.array(z.string()).default([]),
});

function queryParameters({ query }: Route): readonly Json[] {
  if (query === undefined) return [];
  const { properties, required } = objectSchema.parse(schemaOf(query, 'input'));
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...described } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return described;
}
