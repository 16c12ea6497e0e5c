/** Reads what a body says, once it is known to be as described. */
import { isMembers } from './api/check-body.ts';
import type { Members } from './api/check-body.ts';

export type { Members } from './api/check-body.ts';

/** @throws Error when the body has no such text: the description would not have let it pass. */
export function text(members: Members, name: string): string {
  const value = optionalText(members, name);
  if (value === null) throw new Error(`${name} is missing`);
  return value;
}

export function optionalText(members: Members, name: string): string | null {
  const value = members[name];
  return typeof value === 'string' ? value : null;
}

export function integer(members: Members, name: string): number {
  const value = optionalInteger(members, name);
  if (value === null) throw new Error(`${name} is missing`);
  return value;
}

export function optionalInteger(members: Members, name: string): number | null {
  const value = members[name];
  return typeof value === 'number' ? value : null;
}

/** False when it is absent. */
export function flag(members: Members, name: string): boolean {
  return members[name] === true;
}

export function optionalMembers(members: Members, name: string): Members | null {
  const value = members[name];
  return isMembers(value) ? value : null;
}

/** The objects of a list; none when it is absent. */
export function list(members: Members, name: string): readonly Members[] {
  const value = members[name];
  return Array.isArray(value) ? value.filter(isMembers) : [];
}
