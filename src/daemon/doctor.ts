/** What this host can do and what must be repaired: each finding a sentence that says what to do. */
import { formatBytes } from '../base/units.ts';
import { listImages } from '../image/image-store.ts';
import { checkStore } from '../store/objects/check-store.ts';
import { openBareObjects } from '../store/objects/open-objects.ts';
import { examineLeftovers } from './leftovers.ts';
import { DISK_FREE_BYTES_LOW } from './limits.ts';
import { allSnapshots, freeableBytes } from './snapshot-space.ts';
import type { ObjectsEnv } from '../store/objects/open-objects.ts';
import type { Finding } from './api/system.ts';
import type { Supervisor } from './supervisor.ts';

export async function examineHost(supervisor: Supervisor): Promise<readonly Finding[]> {
  const groups = await Promise.all([
    backendFindings(supervisor),
    imageFindings(supervisor),
    diskFindings(supervisor),
    snapshotFindings(supervisor),
    homeFindings(supervisor),
    recordFindings(supervisor),
    examineLeftovers(supervisor),
  ]);
  return groups.flat();
}

/** Whether a store keeps the promises that Kelpie rests on. @throws KelpieError `invalid_argument` for a URL that names none. */
export async function examineStore(env: ObjectsEnv, storeUrl: string): Promise<readonly Finding[]> {
  return checkStore(env, await openBareObjects(env, storeUrl));
}

async function backendFindings({ host }: Supervisor): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const probes = await Promise.all(
    host.backends.map(async (backend) => ({ backend, probe: await backend.probe() })),
  );
  // One is enough to run VMs.
  const lacking = probes.some(({ probe }) => probe.usable) ? 'warning' : 'problem';
  for (const { backend, probe } of probes) {
    const check = `backend.${backend.name}`;
    const known = probe.version === null ? [] : [`${backend.name} ${probe.version}`];
    const text = [...known, ...probe.findings].join('; ');
    const isSlow = probe.accelerator === 'tcg';
    findings.push({ check, level: !probe.usable ? lacking : isSlow ? 'warning' : 'ok', text });
  }
  if (findings.length === 0)
    findings.push({
      check: 'backend',
      level: 'problem',
      text: 'No program that runs VMs was found: install qemu-system-x86 or qemu-system-arm.',
    });
  return findings;
}

async function imageFindings({ host }: Supervisor): Promise<readonly Finding[]> {
  const { images, damaged } = await listImages(host.env, host.places.home);
  const broken = damaged.map(({ reason }): Finding => ({ check: 'image', level: 'problem', text: reason }));
  const { architecture } = host.env.host;
  if (images.some((image) => image.architecture === architecture)) {
    return [
      ...broken,
      {
        check: 'image',
        level: 'ok',
        text: `${images.length} image${images.length === 1 ? '' : 's'}: ${images.map(({ name, version }) => `${name} ${version}`).join(', ')}.`,
      },
    ];
  }
  return [
    ...broken,
    {
      check: 'image',
      level: 'problem',
      text: `There is no image for ${architecture}: build one with \`kelpie image build\`.`,
    },
  ];
}

async function diskFindings({ host }: Supervisor): Promise<readonly Finding[]> {
  const freeBytes = await host.env.files.freeBytes(host.places.home);
  const isLow = freeBytes < DISK_FREE_BYTES_LOW;
  const advice = isLow ? ': snapshots and restores may not fit; free some space' : '';
  return [
    {
      check: 'disk-space',
      level: isLow ? 'warning' : 'ok',
      text: `${formatBytes(freeBytes)} are free under ${host.places.home}${advice}.`,
    },
  ];
}

async function snapshotFindings({ host, registry }: Supervisor): Promise<readonly Finding[]> {
  const all = await allSnapshots(host, registry);
  if (all.length === 0) return [];
  const takenBytes = await freeableBytes(host, registry, all, () => true);
  const text = `${formatBytes(takenBytes)} are taken by ${all.length} snapshot${all.length === 1 ? '' : 's'} and nothing else; kelpie prune removes old ones.`;
  return [{ check: 'snapshots', level: 'ok', text }];
}

async function homeFindings({ host }: Supervisor): Promise<readonly Finding[]> {
  const { home } = host.places;
  const { mode, uid } = await host.env.files.stat(home);
  if (uid !== host.env.host.uid)
    return [
      {
        check: 'home',
        level: 'problem',
        text: `${home} belongs to another user: give it to this one, or set KELPIE_HOME.`,
      },
    ];
  if ((mode & 0o077) !== 0)
    return [
      { check: 'home', level: 'problem', text: `${home} can be read by others: run \`chmod 700 ${home}\`.` },
    ];
  return [{ check: 'home', level: 'ok', text: `${home} is private to this user.` }];
}

async function recordFindings({ registry }: Supervisor): Promise<readonly Finding[]> {
  return registry.damaged.map(({ reason }): Finding => ({
    check: 'vm-record',
    level: 'problem',
    text: reason,
  }));
}
