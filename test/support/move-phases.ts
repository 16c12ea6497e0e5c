/** The phases that a teleport and a restore from a store tell, in their order, and how a command that is not on a terminal tells them. */
export const teleportPhases: readonly string[] = [
  'check',
  'image',
  'capture',
  'publish',
  'publish memory',
  'announce',
  'commit',
];
export const restorePhases: readonly string[] = [
  'check',
  'image',
  'download',
  'download memory',
  'claim',
  'process',
  'load',
  'guest',
];

/** Lines such as `publish …` and `publish memory  ░░░`. */
export function phaseLine(phase: string): RegExp {
  return new RegExp(`^${phase} (?:…| [█░])`, 'm');
}
