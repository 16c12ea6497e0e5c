/** What a new VM will be: the user's wishes, with everything that this host decides. */
import { KelpieError } from '../base/errors.ts';
import { findImage, imageByDigest } from '../image/image-store.ts';
import { isDigest } from '../image/paths.ts';
import { VMS_MAX } from './limits.ts';
import { requirePorts } from './ports.ts';
import type { ImageInfo } from '../image/image-info.ts';
import type { Architecture } from '../snapshot/metadata.ts';
import type { NewVm } from '../teleport/lifecycle.ts';
import type { VmRecord } from '../teleport/vm-record.ts';
import type { WantedVm } from '../vm/instance.ts';
import type { VmCreate } from './api/vms.ts';
import type { Supervisor } from './supervisor.ts';

/** @throws KelpieError `image_not_found`, `image_incompatible`, `backend_unavailable`, `port_taken`, `limit_exceeded`. */
export async function planVm(supervisor: Supervisor, asked: VmCreate): Promise<NewVm> {
  const { host, registry } = supervisor;
  if (registry.all.length >= VMS_MAX)
    throw new KelpieError('limit_exceeded', `this host has ${VMS_MAX} VMs: remove some.`);
  const architecture = asked.architecture ?? host.env.host.architecture;
  const { name, vcpuCount, memoryMib, diskMib, portability, publish, backend = null } = asked;
  await requireBackend(supervisor, backend, { architecture, portability, publish });
  const image = await chooseImage(supervisor, asked.image, architecture);
  await requirePorts(supervisor, asked.publish, null);
  const { version, digest } = image;
  const config = {
    name,
    architecture,
    vcpuCount,
    memoryMib,
    diskMib,
    image: { name: image.name, version, digest },
    portability,
    publish,
  };
  return { id: host.env.random.uuid(), config, backend, lease: asked.lease ?? null };
}

/** `NAME`, `NAME@VERSION` or a digest. */
async function chooseImage(
  supervisor: Supervisor,
  wanted: string,
  architecture: Architecture,
): Promise<ImageInfo> {
  const { env, places } = supervisor.host;
  if (!isDigest(wanted)) {
    const [name = '', version] = wanted.split('@');
    return findImage(env, places.home, { name, architecture, ...(version === undefined ? {} : { version }) });
  }
  const image = await imageByDigest(env, places.home, wanted);
  if (image.architecture === architecture) return image;
  throw new KelpieError(
    'image_incompatible',
    `the image ${image.name} ${image.version} is for ${image.architecture} and the VM for ${architecture}: choose another image, or --arch ${image.architecture}.`,
  );
}

async function requireBackend(
  { host }: Supervisor,
  backend: VmRecord['backend'],
  wanted: WantedVm,
): Promise<void> {
  const { architecture } = wanted;
  const { probe } = await (backend === null
    ? host.factory.forHost(wanted)
    : host.factory.forVm(backend, wanted));
  if (probe.architectures.includes(architecture)) return;
  throw new KelpieError(
    'backend_unavailable',
    `this host cannot run ${architecture} VMs; \`kelpie doctor\` says what is missing.`,
  );
}
