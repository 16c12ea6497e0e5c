/** Where images lie under `KELPIE_HOME`. Everything is private to the user (files 0600, folders 0700). */

/** The files of an image beside `image.json`. */
export const IMAGE_FILE_NAMES = ['data-template', 'initramfs', 'kernel', 'rootfs'] as const;
export type ImageFileName = (typeof IMAGE_FILE_NAMES)[number];

export interface ImagePaths {
  readonly directory: string;
  readonly description: string;
  readonly kernel: string;
  readonly initramfs: string;
  readonly rootfs: string;
  readonly dataTemplate: string;
}

/** The folder of all images of a host. */
export function imagesDirectory(home: string): string {
  return `${home}/images`;
}

/** The files of the image with this digest. It need not exist. */
export function imagePaths(home: string, digest: string): ImagePaths {
  return pathsIn(`${imagesDirectory(home)}/${digest}`);
}

/** The files of an image in a folder of any name, as a build's staging folder. */
export function pathsIn(directory: string): ImagePaths {
  return {
    directory,
    description: `${directory}/image.json`,
    kernel: `${directory}/kernel`,
    initramfs: `${directory}/initramfs`,
    rootfs: `${directory}/rootfs`,
    dataTemplate: `${directory}/data-template`,
  };
}

/** True for the lower-case hexadecimal of a SHA-256. */
export function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
