/**
 * A boot:
 *
 *   checks ──▶ disk, process ──▶ machine, kernel, drives, vsock, entropy, balloon, network ──▶ InstanceStart ──▶ guest agent answers
 *
 * Whatever fails, and an end of the process, undoes all of it: no process, no file in the run directory, no new disk, no TAP.
 */
import { MIB, PAGE_BYTES } from '../../base/units.ts';
import type { MachineFacts, VmConfig } from '../../snapshot/metadata.ts';
import { PageMap } from '../../snapshot/page-map.ts';
import { bootTimeout, connectFirst } from '../first-contact.ts';
import type { StartOptions, VmPlaces } from '../instance.ts';
import { orUndo } from '../undo.ts';
import {
  putBalloon,
  putBootSource,
  putDrive,
  putEntropy,
  putMachine,
  putNetwork,
  putVsock,
  startInstance,
} from './api/calls.ts';
import type { LiveVm, VmContext } from './context.ts';
import { explainRefusal } from './explain-refusal.ts';
import { chooseMachine, templateOf } from './machine.ts';
import type { Network } from './network.ts';
import { names } from './process-places.ts';
import { contactOf, startProcess } from './start-process.ts';
import type { StartedProcess } from './start-process.ts';
import { USER_NETWORK_WORD } from './user-network.ts';
import { bootableKernel } from './vmlinux.ts';

/** The guest's number on vsock: each Firecracker has a host of its own, so all guests can have the same. */
const GUEST_CID = 3;
/** The network card, by the name that snapshots have of it. */
export const NETWORK_ID = 'net';
/** Locally administered; guests of one bridge differ in what the VM's id gives. */
const MAC_PREFIX = '06:4b';

/** @throws KelpieError `backend_unavailable`, `image_incompatible`, `vm_start_failed`, `vm_boot_timeout`, `disk_full`, `canceled` … */
export async function boot(context: VmContext, request: StartOptions): Promise<LiveVm> {
  return orUndo(async (undo) => {
    const { env, config, places } = context;
    const { disk, signal } = request;
    const network = await context.network();
    const machine = chooseMachine(config, env.host.architecture, await context.abilities(), network);
    const { kernel: packed, initramfs } = places.image;
    const kernel = await bootableKernel(env, packed, config.architecture, context.cacheDirectory);

    request.onProgress?.({ phase: 'process' });
    const files = [
      { name: names.kernel, path: kernel },
      { name: names.initramfs, path: initramfs },
    ];
    const { started, top } = await startProcess(context, undo, { files, disk, network, signal });

    request.onProgress?.({ phase: 'boot' });
    try {
      await configure(context, started, { machine, network });
      await startInstance(started.process.api);
    } catch (error) {
      throw await explainRefusal(env, error);
    }
    const contact = { ...contactOf(context, started, signal), timeoutMs: context.bootTimeoutMs };
    const agent = await connectFirst(contact, bootTimeout);
    await agent.setClock(() => env.clock.wallNs());
    return {
      ...started,
      machine,
      mapped: null,
      base: PageMap.empty((config.memoryMib * MIB) / PAGE_BYTES),
      memory: null,
      disk: [...disk, top],
      isBarePause: false,
      isDeaf: false,
      guest: { bootId: agent.bootId, generation: agent.generation },
    };
  });
}

async function configure(
  { id, config, places }: VmContext,
  { process, tap }: StartedProcess,
  { machine, network }: { readonly machine: MachineFacts; readonly network: Network },
): Promise<void> {
  const { api } = process;
  const template = templateOf(machine);
  await putMachine(api, {
    vcpu_count: config.vcpuCount,
    mem_size_mib: config.memoryMib,
    smt: false,
    track_dirty_pages: true,
    ...(template === null ? {} : { cpu_template: template }),
  });
  await putBootSource(api, {
    kernel_image_path: names.kernel,
    initrd_path: names.initramfs,
    boot_args: bootArguments(config, places.image, network),
  });
  await putDrive(api, {
    drive_id: 'root',
    is_root_device: false,
    is_read_only: true,
    path_on_host: names.rootfs,
    cache_type: 'Unsafe',
  });
  await putDrive(api, {
    drive_id: 'data',
    is_root_device: false,
    is_read_only: false,
    path_on_host: names.data,
    cache_type: 'Writeback',
  });
  await putVsock(api, { guest_cid: GUEST_CID, uds_path: names.vsock });
  await putEntropy(api);
  await putBalloon(api, { amount_mib: 0, deflate_on_oom: true });
  if (tap !== null) await putNetwork(api, { iface_id: NETWORK_ID, host_dev_name: tap, guest_mac: macOf(id) });
}

/** What the guest agent finds its devices by, and how a guest ends its Firecracker: by a restart, since there is no switch to turn it off. */
export function bootArguments(
  config: VmConfig,
  image: Pick<VmPlaces['image'], 'kernelArguments'>,
  network: Network,
): string {
  const words = [
    // Its UART is a 16550 on arm64 too.
    'console=ttyS0',
    // Without its keyboard controller a guest would not hear Ctrl-Alt-Del, nor could it restart.
    ...image.kernelArguments.filter((word) => !word.startsWith('i8042.')),
    ...(config.architecture === 'x86_64' ? ['reboot=k', 'kelpie.off=restart'] : []),
    ...['kelpie.root=/dev/vda', 'kelpie.data=/dev/vdb', `kelpie.hostname=${config.name}`],
    ...(network.kind === 'user' ? [USER_NETWORK_WORD] : []),
  ];
  return words.join(' ');
}

function macOf(id: string): string {
  const [a, b, c, d] = id.replaceAll('-', '').match(/../g) ?? [];
  return [MAC_PREFIX, a, b, c, d].join(':');
}
