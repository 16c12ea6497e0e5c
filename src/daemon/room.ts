import type { RouteName } from './api/routes.ts';
import type { Supervisor } from './supervisor.ts';

/** Path parameters of a route, decoded. */
export type Parameters = Readonly<Record<string, string>>;

/** Answers one route. What it throws becomes problem details. */
export type Handler = (request: Request, parameters: Parameters) => Promise<Response>;

/** The handlers of some routes: one file per kind of thing. */
export type Room<Names extends RouteName> = (supervisor: Supervisor) => Readonly<Record<Names, Handler>>;

/** A parameter that the route's path has. */
export function parameter(parameters: Parameters, name: string): string {
  return parameters[name] ?? '';
}
