import { routes } from '../../daemon/api/routes.ts';
import { PAGE_BYTES, formatBytes } from '../../base/units.ts';
import { checkedOption } from '../command.ts';
import { sealText, signatureText } from '../seal-text.ts';
import { STORE_HELP, storeOption } from '../store-option.ts';
import { ageText, mibText, shortId } from '../views.ts';
import type { MemberCommand } from '../command.ts';
import type { PackageDetail, PagedLayoutView } from '../../daemon/api/packages.ts';

export const packageShow: MemberCommand = {
  summary:
    'one package: what it is made of, whether it is encrypted and signed, who may run its VM, and whether this host can',
  declare: (command) => {
    command
      .argument('<package>', 'its id, or a unique beginning of it')
      .option('--store <store>', STORE_HELP)
      .option(
        '--for <host>',
        'whether this host can run it, instead of this one: name or id, as kelpie store hosts lists',
      )
      .addHelpText(
        'after',
        '\nExamples:\n  kelpie package show 3f2a91 --store /mnt/team\n  kelpie package show 3f2a91 --store /mnt/team --for cloud',
      );
  },
  run: async (cli, [id = ''], options) => {
    const forHost = await checkedOption(options, 'for', 'hostReference');
    const detail = await cli.call(routes.packageInspect, {
      parameters: { package: id },
      query: { storeUrl: storeOption(cli, options), forHost: forHost ?? undefined },
    });
    await cli.output.result(detail, describe(detail, cli.env.clock.wallMs()));
    return 0;
  },
};

function describe(detail: PackageDetail, nowMs: number): string {
  const lines: readonly (readonly [string, string])[] = [
    ['package', detail.id],
    ['parent', detail.parentId === null ? 'none' : shortId(detail.parentId)],
    ...metadataLines(detail, nowMs),
    ['sealed', `${sealText(detail)}, ${signatureText(detail.signedBy)}`],
    ...sizeLines(detail),
    ...detail.imageFiles.map(({ name, sizeBytes }): readonly [string, string] => [
      'carries',
      `${name}, ${formatBytes(sizeBytes)}`,
    ]),
    ['may run', mayRunText(detail)],
    ...runsLines(detail, nowMs),
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(width)}   ${text}`).join('\n');
}

function metadataLines({ metadata }: PackageDetail, nowMs: number): readonly (readonly [string, string])[] {
  if (metadata === null) return [];
  const { vmName, vmId, createdAtUnixMs, message, architecture, memoryMib, image, portability } = metadata;
  const { backend, backendVersion, accelerator } = metadata;
  return [
    ['VM', `${vmName} (${vmId})`],
    ['created', `${ageText(createdAtUnixMs, nowMs)}${message === '' ? '' : `: ${message}`}`],
    ['machine', `${architecture}, ${mibText(memoryMib)}, ${metadata.machineType}, ${metadata.cpuModel}`],
    ['ran on', `${backend} ${backendVersion} with ${accelerator}, portability ${portability}`],
    ['image', `${image.name} ${image.version} (${shortId(image.digest)})`],
  ];
}

function sizeLines({ sizes, layout, metadata }: PackageDetail): readonly (readonly [string, string])[] {
  const { packs, ownPacks, memory, disk } = layout;
  const stored: readonly (readonly [string, string])[] =
    sizes === null
      ? []
      : [
          [
            'stored',
            `${formatBytes(sizes.ownBytes)} of its own, ${formatBytes(sizes.sharedBytes)} shared; packs: ${packs}, of which ${ownPacks} its own`,
          ],
        ];
  // Its files and states lie where running memory has its pages, and it has no disk.
  if (metadata?.kind === 'checkpoint') return [...stored, ['files', pagedText(memory)]];
  return [...stored, ['memory', pagedText(memory)], ['disk', pagedText(disk)]];
}

/** Fragmentation is what a restore pays for: requests, and bytes that it does not need. */
function pagedText({ pages, frames, requests, fetchedBytes, rawBytes }: PagedLayoutView): string {
  if (pages === 0) return 'all zeros';
  const used = Math.round((100 * pages * PAGE_BYTES) / rawBytes);
  return `${formatBytes(pages * PAGE_BYTES)} not zero; frames: ${frames}, requests: ${requests}, of ${formatBytes(fetchedBytes)} fetched ${used} % used`;
}

function runsLines(
  { reasons, notices, forHost }: PackageDetail,
  nowMs: number,
): readonly (readonly [string, string])[] {
  const where = forHost === null ? 'runs here' : `runs on ${forHost.name}`;
  const told = forHost === null ? '' : `, by what it said ${ageText(forHost.toldAtUnixMs, nowMs)}`;
  if (reasons.length === 0) return [[where, [`yes${told}`, ...notices].join('; ')]];
  return reasons.map((reason) => [where, `no${told}: ${reason}`] as const);
}

function mayRunText({ ownership, isAtRest, metadata }: PackageDetail): string {
  if (metadata?.kind === 'checkpoint') return 'anybody, as a new VM: it is a checkpoint';
  if (isAtRest) return 'whoever restores it: the VM is at rest in this package';
  if (ownership === null) return 'nobody: the store has no record of its VM';
  return `${ownership.state}, ${ownership.hostName} (epoch ${ownership.epoch})`;
}
