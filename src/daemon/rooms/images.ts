import { KelpieError } from '../../base/errors.ts';
import { buildImage } from '../../image/build/build-image.ts';
import { listImages, removeImage } from '../../image/image-store.ts';
import { imageBuild } from '../api/images.ts';
import { routes } from '../api/routes.ts';
import { answerJson } from '../answers.ts';
import { answerEvents } from '../event-stream.ts';
import { readBody } from '../requests.ts';
import { parameter } from '../room.ts';
import type { ImageInfo } from '../../image/image-info.ts';
import type { ImageView } from '../api/images.ts';
import type { Room } from '../room.ts';
import type { Supervisor } from '../supervisor.ts';

export const imagesRoom: Room<'imageList' | 'imageBuild' | 'imageRemove'> = (supervisor) => {
  const { env, places } = supervisor.host;
  return {
    imageList: async () => {
      const { images } = await listImages(env, places.home);
      const users = await usersOfImages(supervisor);
      return answerJson(routes.imageList, { images: images.map((image) => viewImage(image, users)) });
    },

    imageBuild: async (request) => {
      const { name, architecture = env.host.architecture } = await readBody(request, imageBuild);
      return answerEvents(supervisor, routes.imageBuild, request, ({ listener, signal }) =>
        supervisor.operate(`image:${name}:${architecture}`, 'build this image', async () => {
          const agentDirectory = `${env.host.installDirectory}/guest-agent`;
          const onProgress = ({
            phase,
            doneBytes,
            totalBytes,
          }: {
            phase: string;
            doneBytes: number;
            totalBytes: number;
          }): void => listener.progress(phase, name, doneBytes, totalBytes);
          const image = await buildImage(
            env,
            { home: places.home, name, architecture, agentDirectory },
            onProgress,
            signal,
          );
          supervisor.factsChanged();
          return { image: viewImage(image, await usersOfImages(supervisor)) };
        }),
      );
    },

    imageRemove: async (_request, parameters) => {
      const digest = await digestOf(supervisor, parameter(parameters, 'image'));
      const users = (await usersOfImages(supervisor)).get(digest) ?? [];
      if (users.length > 0) {
        throw new KelpieError(
          'image_in_use',
          `the image is in use by ${users.join(', ')}: remove those VMs first.`,
          { data: { users } },
        );
      }
      await removeImage(env, places.home, digest);
      supervisor.factsChanged();
      return answerJson(routes.imageRemove, {});
    },
  };
};

/** Names of VMs by the digest of the image that they, or a snapshot of theirs, stand on. */
async function usersOfImages({
  host,
  registry,
}: Supervisor): Promise<ReadonlyMap<string, readonly string[]>> {
  const users = new Map<string, string[]>();
  for (const vm of registry.all) {
    const digests = new Set([vm.record.config.image.digest]);
    for (const listing of await host.snapshots.list(vm.id)) {
      if (!listing.damaged) digests.add(listing.snapshot.metadata.config.image.digest);
    }
    for (const digest of digests) users.set(digest, [...(users.get(digest) ?? []), vm.name]);
  }
  return users;
}

/** `NAME`, `NAME@VERSION`, a digest or the beginning of one. */
async function digestOf({ host }: Supervisor, reference: string): Promise<string> {
  const { images, damaged } = await listImages(host.env, host.places.home);
  const matches = new Set([
    ...images
      .filter(
        ({ name, version, digest }) =>
          [name, `${name}@${version}`].includes(reference) || isBeginning(digest, reference),
      )
      .map(({ digest }) => digest),
    ...damaged.filter(({ digest }) => isBeginning(digest, reference)).map(({ digest }) => digest),
  ]);
  const [only, other] = matches;
  if (other !== undefined)
    throw new KelpieError(
      'invalid_argument',
      `several images are named "${reference}": name one by its digest (${[...matches].join(', ')}).`,
    );
  if (only === undefined)
    throw new KelpieError(
      'image_not_found',
      `this host has no image "${reference}"; \`kelpie image ls\` lists those it has.`,
    );
  return only;
}

function isBeginning(digest: string, reference: string): boolean {
  return reference.length >= 4 && digest.startsWith(reference);
}

function viewImage(
  { name, version, digest, architecture, files }: ImageInfo,
  users: ReadonlyMap<string, readonly string[]>,
): ImageView {
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return { name, version, digest, architecture, sizeBytes, usedBy: users.get(digest) ?? [] };
}
