/**
 * A host's facts as JSON, which other hosts read from a store: not trusted there. What is left out is not known, and so never a yes: the
 * writer leaves out what is beyond the bounds, the reader refuses it.
 */
import { z } from 'zod';
import { imageSchema, machineWord, printable, sourceSchema } from '../metadata-codec.ts';
import { architectures, backendNames } from '../metadata.ts';
import type { Architecture, ImageReference, SourceHostFacts } from '../metadata.ts';
import * as limits from '../limits.ts';
import type { Accelerator, BackendFacts, HostFacts } from './facts.ts';

export interface FactsDocument {
  readonly source: SourceHostFacts;
  readonly backends: readonly BackendFacts[];
  readonly images: readonly { readonly image: ImageReference; readonly architecture: Architecture }[];
}

const architecture = z.enum(architectures);
const accelerators = ['tcg', 'kvm', 'hvf'] as const satisfies readonly Accelerator[];
const words = (countMax: number): z.ZodType<readonly string[]> => z.array(machineWord).max(countMax);
const models = z.exactOptional(words(limits.CPU_MODELS_MAX));

const backendFacts: z.ZodType<BackendFacts> = z.strictObject({
  name: z.enum(backendNames),
  architecture,
  version: printable.nullable(),
  accelerators: z.array(z.enum(accelerators)).max(accelerators.length),
  machineTypes: words(limits.MACHINE_TYPES_MAX).nullable(),
  cpuModels: z.strictObject({ tcg: models, kvm: models, hvf: models }).nullable(),
  deviceLayouts: z.array(z.int().nonnegative()).max(limits.DEVICE_LAYOUTS_MAX),
});

export const factsDocument: z.ZodType<FactsDocument> = z.strictObject({
  source: sourceSchema,
  backends: z.array(backendFacts).max(limits.BACKENDS_MAX),
  images: z.array(z.strictObject({ image: imageSchema, architecture })).max(limits.HOST_IMAGES_MAX),
});

/** Always one that `factsDocument` reads. */
export function toFactsDocument(facts: HostFacts): FactsDocument {
  const { architecture: own, kernel, cpu, backends, images } = facts;
  return {
    source: { architecture: own, kernel: onOneLine(kernel), cpu },
    backends: backends.slice(0, limits.BACKENDS_MAX).map(toldBackend),
    images: images.slice(0, limits.HOST_IMAGES_MAX).map(({ name, version, digest, architecture: of }) => ({
      image: { name, version, digest },
      architecture: of,
    })),
  };
}

export function fromFactsDocument({ source, backends, images }: FactsDocument): HostFacts {
  return {
    ...source,
    backends,
    imageDigests: new Set(images.map(({ image }) => image.digest)),
    images: images.map(({ image, architecture: of }) => ({ ...image, architecture: of })),
  };
}

function toldBackend(backend: BackendFacts): BackendFacts {
  const { version, machineTypes, cpuModels, deviceLayouts } = backend;
  const tcg = toldWords(cpuModels?.tcg, limits.CPU_MODELS_MAX);
  const kvm = toldWords(cpuModels?.kvm, limits.CPU_MODELS_MAX);
  const hvf = toldWords(cpuModels?.hvf, limits.CPU_MODELS_MAX);
  return {
    ...backend,
    version: version === null ? null : onOneLine(version),
    machineTypes: toldWords(machineTypes, limits.MACHINE_TYPES_MAX) ?? null,
    cpuModels: cpuModels === null ? null : { ...(tcg && { tcg }), ...(kvm && { kvm }), ...(hvf && { hvf }) },
    deviceLayouts: deviceLayouts.slice(0, limits.DEVICE_LAYOUTS_MAX),
  };
}

/** No snapshot names what is no word, so nothing is lost by leaving it out. */
function toldWords(
  all: readonly string[] | null | undefined,
  countMax: number,
): readonly string[] | undefined {
  return all?.filter((word) => machineWord.safeParse(word).success).slice(0, countMax);
}

/** As `printable` has it. */
export function onOneLine(text: string): string {
  const line = text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, limits.LINE_LENGTH_MAX);
  return line === '' ? 'unknown' : line;
}
