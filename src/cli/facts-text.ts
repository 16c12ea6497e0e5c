/** What hosts can run, told to people. */
import type { FactsDocument } from '../snapshot/compatibility/facts-document.ts';

/** `qemu 7.2.22 for x86_64 (tcg, kvm), arm64 (tcg)` */
export function backendsText({ backends }: FactsDocument): string {
  const programs = new Map<string, string[]>();
  for (const { name, version, architecture, accelerators } of backends) {
    const program = `${name} ${version === null ? 'of unknown version' : (version.split(' ', 1)[0] ?? version)}`;
    const guests = programs.get(program) ?? [];
    programs.set(program, [...guests, `${architecture} (${accelerators.join(', ') || 'not usable'})`]);
  }
  if (programs.size === 0) return 'nothing that runs VMs';
  return [...programs].map(([program, guests]) => `${program} for ${guests.join(', ')}`).join('; ');
}

/** `Intel(R) Xeon(R) (GenuineIntel family 6 model 106, 87 flags)` */
export function cpuText({ source: { cpu } }: FactsDocument): string {
  if (cpu === null) return 'not known, or of several kinds';
  return `${cpu.modelName} (${cpu.vendor} family ${cpu.family} model ${cpu.model}, ${cpu.flags.length} flags)`;
}

/** `base 1.0.0 x86_64, base 1.0.0 arm64` */
export function imagesText({ images }: FactsDocument): string {
  if (images.length === 0) return 'none';
  return images.map(({ image, architecture }) => `${image.name} ${image.version} ${architecture}`).join(', ');
}
