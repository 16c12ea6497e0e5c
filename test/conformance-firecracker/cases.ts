/** Every test of the suite; those that need what is not there are skipped when they run. */
import type { Case } from './case.ts';
import { commandLineCases } from './cases/command-line.ts';
import { configurationCases } from './cases/configuration.ts';
import { guestCases } from './cases/guest.ts';
import { jailerCases } from './cases/jailer.ts';
import { lifeCases } from './cases/life.ts';
import { loadCases } from './cases/load.ts';
import { snapshotCases } from './cases/snapshot.ts';

export const suiteCases: readonly Case[] = [
  ...commandLineCases,
  ...configurationCases,
  ...lifeCases,
  ...snapshotCases,
  ...loadCases,
  ...jailerCases,
  ...guestCases,
];
