import { routes } from '../../daemon/api/routes.ts';
import { KelpieError } from '../../base/errors.ts';
import {
  VM_DISK_MIB_MAX,
  VM_DISK_MIB_MIN,
  VM_MEMORY_MIB_MAX,
  VM_MEMORY_MIB_MIN,
  VM_VCPU_COUNT_MAX,
  VM_VCPU_COUNT_MIN,
} from '../../daemon/api/limits.ts';
import {
  collect,
  listOption,
  parseCount,
  parseLeaseMs,
  parseMib,
  parsePublish,
  requireWithin,
  textOption,
} from '../command.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import { totalLine } from '../views.ts';
import type { Cli } from '../cli.ts';
import type { LeafCommand, Options } from '../command.ts';
import { parseBackend } from '../../daemon/api/backend-choice.ts';
import type { LeaseWish } from '../../daemon/api/fields.ts';
import type { VmCreate, VmStarted } from '../../daemon/api/vms.ts';

export const up: LeafCommand = {
  declare: (command) => {
    command
      .argument('<name>', 'a-z, 0-9 and -')
      .option('--image <image>', 'base image: NAME, NAME@VERSION or digest (default: base)')
      .option('--memory <mib>', 'memory, like 512 or 4g (default: 512)')
      .option('--cpus <count>', 'virtual CPUs (default: 1)')
      .option('--disk <mib>', 'writable disk, like 4g (default: 4g)')
      .option('--arch <arch>', 'x86_64 or arm64 (default: this host’s)')
      .option('--portability <class>', 'where it can go: host, arch or any (default: arch)')
      .option(
        '--lease <duration>',
        'with --store: hold it by a lease from the beginning, like 60s: this host pauses it when it cannot renew',
      )
      .option('--store <store>', `with --lease: the store that keeps the lease: ${STORE_HELP}`)
      .option('--backend <name>', 'what runs it: auto, qemu or firecracker (default: auto)')
      .option(
        '-p, --publish <host:guest>',
        'forward a port of this host into the VM; may be repeated',
        collect,
        [],
      )
      .addHelpText(
        'after',
        `
A VM that exists and is stopped or has crashed is booted again from its disk; options are for new ones.

Examples:
  kelpie up dev
  kelpie up web --memory 2g --cpus 2 --publish 8080:80
  kelpie up dev --store s3://bucket/team --lease 60s`,
      );
  },
  run: async (cli, [name = ''], options) => {
    const lease = leaseOption(cli, options);
    const asked = { ...creationOptions(options), ...(lease === null ? {} : { lease }) };
    const { vms } = await cli.call(routes.vmList);
    const existing = vms.find((vm) => vm.name === name || vm.id === name);
    if (existing !== undefined && Object.keys(asked).length > 0)
      throw new KelpieError('name_taken', `there is a VM named "${name}" already: choose another name.`);
    const started: VmStarted =
      existing === undefined
        ? await cli.operate(routes.vmCreate, { body: { name, ...asked } })
        : await cli.operate(routes.vmStart, { parameters: { vm: name } });
    await cli.output.result(started, `${started.vm.name} is running (${totalLine(started.timings)})`);
    return 0;
  },
};

const memoryBounds = { min: VM_MEMORY_MIB_MIN, max: VM_MEMORY_MIB_MAX };
const diskBounds = { min: VM_DISK_MIB_MIN, max: VM_DISK_MIB_MAX };
const cpuBounds = { min: VM_VCPU_COUNT_MIN, max: VM_VCPU_COUNT_MAX };

type Mutable<T> = { -readonly [K in keyof T]?: T[K] };

/** What of a new VM was chosen. @throws KelpieError `usage`. */
export function creationOptions(options: Options): Mutable<Omit<VmCreate, 'name'>> {
  const asked: Mutable<Omit<VmCreate, 'name'>> = {};
  const image = textOption(options, 'image');
  const memory = textOption(options, 'memory');
  const cpus = textOption(options, 'cpus');
  const disk = textOption(options, 'disk');
  const arch = textOption(options, 'arch');
  const portability = textOption(options, 'portability');
  const backend = parseBackend(textOption(options, 'backend') ?? 'auto', '--backend');
  const publish = listOption(options, 'publish').map(parsePublish);
  if (image !== null) asked.image = image;
  if (memory !== null)
    asked.memoryMib = requireWithin(parseMib(memory, '--memory'), '--memory', memoryBounds, ' MiB');
  if (cpus !== null) asked.vcpuCount = requireWithin(parseCount(cpus, '--cpus'), '--cpus', cpuBounds);
  if (disk !== null) asked.diskMib = requireWithin(parseMib(disk, '--disk'), '--disk', diskBounds, ' MiB');
  if (arch !== null) asked.architecture = parseArchitecture(arch);
  if (portability !== null) asked.portability = parsePortability(portability);
  if (backend !== null) asked.backend = backend;
  if (publish.length > 0) asked.publish = publish;
  return asked;
}

/** @throws KelpieError `usage` for one of the two options without the other. */
function leaseOption(cli: Cli, options: Options): LeaseWish | null {
  const lease = textOption(options, 'lease');
  const store = textOption(options, 'store');
  if (lease === null && store === null) return null;
  if (lease === null || store === null)
    throw new KelpieError('usage', 'give --lease and --store together: the lease is held in the store.');
  return { storeUrl: storeOption(cli, options), durationMs: parseLeaseMs(lease) };
}

/** `x86_64`, `amd64`, `arm64`, `aarch64`. @throws KelpieError `usage`. */
export function parseArchitecture(text: string): 'x86_64' | 'arm64' {
  if (text === 'x86_64' || text === 'amd64') return 'x86_64';
  if (text === 'arm64' || text === 'aarch64') return 'arm64';
  throw new KelpieError('usage', `--arch must be x86_64 or arm64, not "${text}".`);
}

function parsePortability(text: string): 'host' | 'arch' | 'any' {
  if (text === 'host' || text === 'arch' || text === 'any') return text;
  throw new KelpieError('usage', `--portability must be host, arch or any, not "${text}".`);
}
