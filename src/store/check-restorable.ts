import { KelpieError } from '../base/errors.ts';
import type { Architecture } from '../snapshot/metadata.ts';
import type { TeleportPackage } from './teleport-storage.ts';

/** @throws KelpieError `restore_incompatible` when a host of this architecture cannot run the package. */
export function checkRestorable({ metadata }: TeleportPackage, hostArchitecture: Architecture): void {
  const { architecture, portability, name } = metadata.config;
  const crosses = portability === 'any' || metadata.kind === 'checkpoint';
  if (architecture === hostArchitecture || crosses) return;
  const message = `"${name}" is an ${architecture} VM and this host is ${hostArchitecture}: restore it on an ${architecture} host.`;
  throw new KelpieError('restore_incompatible', message, { data: { architecture, hostArchitecture } });
}
