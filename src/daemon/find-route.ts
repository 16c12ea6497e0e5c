/** Which route of the API a request is for. */
import { TrieRouter } from 'hono/router/trie-router';
import { routes } from './api/routes.ts';
import type { Route, RouteName } from './api/routes.ts';
import type { Parameters } from './room.ts';

export interface FoundRoute {
  readonly name: RouteName;
  readonly parameters: Parameters;
}

export const routeNames: readonly RouteName[] = Object.keys(routes).filter(isRouteName);

/** One table for all daemons of a process: to build it costs as much as a hundred requests. */
const table = new TrieRouter<RouteName>();
for (const name of routeNames) {
  const { method, path }: Route = routes[name];
  table.add(method, path, name);
}

/** @param path of the request's URL, still percent-encoded. Null when there is no such route. */
export function findRoute(method: string, path: string): FoundRoute | null {
  const [found] = table.match(method, path)[0];
  if (found === undefined) return null;
  const [name, parameters] = found;
  const decoded: Record<string, string> = {};
  for (const [key, value] of Object.entries(parameters)) decoded[key] = decode(String(value));
  return { name, parameters: decoded };
}

/** What is no encoding stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

function isRouteName(name: string): name is RouteName {
  return Object.hasOwn(routes, name);
}
