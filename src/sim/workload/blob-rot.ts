/**
 * Bits that go over on a host's own disk, in files that only a download may still read: those of VMs that have left, which nobody else uses. Of what a VM that is
 * here stands on there is no second copy, and no digest, so nothing could be asked of anybody.
 */
import { fromUtf8Lossy } from '../../base/bytes.ts';
import { isJsonObject } from '../../base/json.ts';
import type { FileInode } from '../disk/inode.ts';
import { volumeOf } from '../disk/paths.ts';
import { homeFile } from '../oracles/site-view.ts';
import { directoryIn, jsonObjectIn } from '../oracles/store-view.ts';
import { Prng } from '../prng.ts';
import type { Site, World } from '../world/world.ts';

const PAUSE_MS_MAX = 1000;
/** Pages of one file. */
const PAGES_MAX = 3;

/** Until faults end. */
export async function rotBlobs(world: World): Promise<void> {
  const random = Prng.named(world.seed, 'rot');
  while (world.faults.isOn) {
    await world.sleep(random.fraction() * PAUSE_MS_MAX, () => world.faults.isOn);
    for (const site of world.sites) {
      const files = filesOfNobodyHere(site);
      const strike = files.length === 0 ? null : world.faults.hit('storage_rot', site.name);
      if (strike === null) continue;
      world.truth.tell('fault', 'storage_rot', site.machine.name);
      for (const file of files) rot(file, strike.random);
    }
  }
}

/** Files of snapshots of VMs that have left the site, while nothing is under way there. A copy of such a VM may stand on the same files. */
function filesOfNobodyHere(site: Site): readonly FileInode[] {
  if (namesIn(site, 'operations').length > 0) return [];
  const left: string[] = [];
  const used: string[] = [];
  for (const vmId of namesIn(site, 'vms')) {
    const record = textAt(site, `vms/${vmId}/vm.json`);
    const { departed, runtime } = jsonObjectIn(record) ?? {};
    const snapshots = namesIn(site, `vms/${vmId}/snapshots`).map((id) =>
      textAt(site, `vms/${vmId}/snapshots/${id}/snapshot.json`),
    );
    used.push(record);
    (isJsonObject(departed) && runtime === null ? left : used).push(...snapshots);
  }
  const isNamed = (id: string, texts: readonly string[]): boolean => texts.some((text) => text.includes(id));
  const blobs = directoryIn(volumeOf(site.machine, site.home).root, `${site.home}/blobs`, 'cached');
  return [...(blobs?.entries ?? [])].flatMap(([name, inode]) => {
    const id = name.slice(0, name.indexOf('.'));
    // A second name is that of a download, which is gone on with as it is.
    const isIt = inode.kind === 'file' && inode.links === 1 && isNamed(id, left) && !isNamed(id, used);
    return isIt ? [inode] : [];
  });
}

function rot({ contents, durable }: FileInode, random: Prng): void {
  const pages = [...contents.pages].toSorted((a, b) => a - b);
  for (let count = random.between(1, PAGES_MAX); count > 0 && pages.length > 0; count -= 1) {
    const index = random.pick(pages);
    const page = contents.page(index)?.slice();
    if (page === undefined) continue;
    const at = random.below(page.byteLength);
    page[at] = (page[at] ?? 0) ^ (1 << random.below(8));
    for (const view of [contents, durable]) view.putPage(index, page);
  }
}

function namesIn({ home, machine }: Site, path: string): readonly string[] {
  const directory = directoryIn(volumeOf(machine, home).root, `${home}/${path}`, 'cached');
  return [...(directory?.entries.keys() ?? [])];
}

function textAt(site: Site, path: string): string {
  const bytes = homeFile(site, path);
  return bytes === null ? '' : fromUtf8Lossy(bytes);
}
