/**
 * Packages whose facts somebody has changed or left out. Their ids are the digests of what they say now, so that no digest is wrong: only what is checked of the facts
 * themselves can refuse them. In encrypted stores nobody can write any.
 */
import { fromUtf8Lossy, utf8 } from '../../base/bytes.ts';
import { canonicalJson } from '../../base/canonical-json.ts';
import { isJsonObject } from '../../base/json.ts';
import { openObjects } from '../../store/objects/open-objects.ts';
import { jsonObjectIn, objectAt, objectNames } from '../oracles/store-view.ts';
import { asPerson } from '../world/as-person.ts';
import type { Site, World } from '../world/world.ts';

type Json = Readonly<Record<string, unknown>>;
type Forge = (metadata: Json) => Json;

const ofMachine =
  (change: Json): Forge =>
  (metadata) => ({ ...metadata, machine: { ...member(metadata, 'machine'), ...change } });

const ofConfig =
  (change: Json): Forge =>
  (metadata) => ({ ...metadata, config: { ...member(metadata, 'config'), ...change } });

const without =
  (key: string): Forge =>
  (metadata) =>
    Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== key));

/** What no host can run, or nobody can read. */
const memoryForgeries: readonly Forge[] = [
  ofMachine({ backendVersion: 'unknown' }),
  ofMachine({ backendVersion: '99.0.0' }),
  ofMachine({ machineType: 'pc-q35-99.0' }),
  ofMachine({ deviceLayout: 9999 }),
  ofMachine({ accelerator: 'none' }),
  ofMachine({ cpuModel: 'x'.repeat(10_000) }),
  ofConfig({ architecture: 'arm64' }),
  ofConfig({ portability: 'everywhere' }),
  ofConfig({ memoryMib: -1 }),
  without('machine'),
  without('source'),
  (metadata) => ({ ...metadata, kind: 'checkpoint' }),
];
const checkpointForgeries: readonly Forge[] = [
  (metadata) => ({
    ...metadata,
    config: {
      ...member(metadata, 'config'),
      image: { ...member(member(metadata, 'config'), 'image'), version: '99.0.0' },
    },
  }),
  ofConfig({ diskMib: 'all' }),
  ofConfig({ name: '../../etc' }),
  without('config'),
  (metadata) => ({ ...metadata, kind: 'teleport' }),
];

/** Now and then puts one into the store. @returns its id; null most times, and where there is no package to make it of. @throws KelpieError, StoreTrouble of the store. */
export async function forgePackage(
  world: World,
  site: Site,
  kind: 'memory' | 'checkpoint',
): Promise<string | null> {
  const strike = world.faults.strike('package_forged', `person ${site.name}`);
  if (strike === null) return null;
  const { random } = strike;
  const real = objectNames(world, 'packages', 'cached').flatMap((id) => readable(world, id, kind) ?? []);
  if (real.length === 0) return null;
  const { manifest, body, metadata } = random.pick(real);
  const forge = random.pick(kind === 'memory' ? memoryForgeries : checkpointForgeries);
  const bytes = utf8(canonicalJson({ ...manifest, body: { ...body, metadata: forge(metadata) } }));
  return asPerson(site, 'forger', async (env) => {
    const id = env.compute.sha256(bytes);
    // Told before it is there: whoever looks at packages may find it at once.
    world.truth.forged.add(id);
    await (await openObjects(env, world.storeUrl)).put(`packages/${id}`, bytes);
    strike.tookEffect();
    return id;
  });
}

/** A package that says in the clear what it is, and was not forged itself. */
function readable(
  world: World,
  id: string,
  kind: 'memory' | 'checkpoint',
): { readonly manifest: Json; readonly body: Json; readonly metadata: Json } | null {
  const bytes = world.truth.forged.has(id) ? null : objectAt(world, `packages/${id}`, 'cached');
  const manifest = bytes === null ? null : jsonObjectIn(fromUtf8Lossy(bytes));
  const body = manifest?.['body'];
  const metadata = isJsonObject(body) ? body['metadata'] : null;
  if (manifest === null || !isJsonObject(body) || !isJsonObject(metadata)) return null;
  return (metadata['kind'] === 'checkpoint') === (kind === 'checkpoint')
    ? { manifest, body, metadata }
    : null;
}

function member(of: Json, key: string): Json {
  const value = of[key];
  return isJsonObject(value) ? value : {};
}
