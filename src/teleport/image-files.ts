import { imageByDigest } from '../image/image-store.ts';
import { imagePaths } from '../image/paths.ts';
import type { ImageReference } from '../snapshot/metadata.ts';
import type { VmPlaces } from '../vm/instance.ts';
import type { TeleportHost } from './teleport-host.ts';

/** What a VM boots from. @throws KelpieError `image_not_found`, `image_corrupt`. */
export async function imageFilesFor(
  host: Pick<TeleportHost, 'env' | 'places'>,
  image: ImageReference,
): Promise<VmPlaces['image']> {
  const { home } = host.places;
  const { kernelArguments } = await imageByDigest(host.env, home, image.digest);
  const { kernel, initramfs, rootfs, dataTemplate } = imagePaths(home, image.digest);
  return { kernel, initramfs, rootfs, dataTemplate, kernelArguments };
}
