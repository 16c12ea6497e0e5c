import { KelpieError } from '../../base/errors.ts';

/** One line of `/proc/PID/maps`: `7f07c7fff000-7f07e7fff000 rw-p 00000000 fe:00 10027015   /path`. */
const mapsLine = /^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) \S+ \d+\s+(.*)$/;

/**
 * The address at which a process maps a whole file privately. The file is told by its name and size, since the folder
 * that the kernel prints may differ from ours (links).
 * @throws KelpieError `vm_backend_failed` when it is not mapped in one piece exactly once.
 */
export function findPrivateMapping(maps: string, fileName: string, sizeBytes: number): number {
  const starts: number[] = [];
  let start = 0;
  let mappedBytes = 0;
  for (const line of maps.split('\n')) {
    const match = mapsLine.exec(line);
    if (match?.[5]?.split('/').at(-1) !== fileName || match[3] !== 'rw-p') continue;
    const first = Number.parseInt(match[1] ?? '', 16);
    const offset = Number.parseInt(match[4] ?? '', 16);
    // The kernel cuts a mapping where its parts got different advice; a whole one goes on where the part before ended.
    const goesOn = offset === mappedBytes && first === start + mappedBytes;
    if (!goesOn) {
      start = first;
      mappedBytes = 0;
      if (offset !== 0) continue;
    }
    mappedBytes += Number.parseInt(match[2] ?? '', 16) - first;
    if (mappedBytes === sizeBytes) starts.push(start);
  }
  const [address, ...others] = starts;
  if (address === undefined || others.length > 0) {
    throw new KelpieError('vm_backend_failed', 'QEMU does not map the memory file as it should.', {
      data: { fileName, sizeBytes, mappings: starts.length },
    });
  }
  return address;
}
