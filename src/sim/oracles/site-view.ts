/** What is in the home of a site, read past every program. */
import { fromUtf8Lossy } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { volumeOf } from '../disk/paths.ts';
import type { Site, World } from '../world/world.ts';
import { fileIn, jsonObjectIn } from './store-view.ts';
import type { View } from './store-view.ts';

/** A file in the home, as programs see it if not said otherwise; null when there is none. */
export function homeFile({ home, machine }: Site, name: string, view: View = 'cached'): Bytes | null {
  return fileIn(volumeOf(machine, home).root, `${home}/${name}`, view);
}

/** By which records name whose home it is; null also for a home of nobody. */
export function hostIdAt({ sites }: World, home: string): string | null {
  const site = sites.find((candidate) => candidate.home === home);
  return site === undefined ? null : hostIdOf(site);
}

/** By which records name the site; null before its first start. */
export function hostIdOf(site: Site): string | null {
  const bytes = homeFile(site, 'host.json');
  const id = bytes === null ? null : jsonObjectIn(fromUtf8Lossy(bytes))?.['id'];
  return typeof id === 'string' ? id : null;
}
