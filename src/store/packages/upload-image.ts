/**
 * An image into packs of a session of its own, ahead of the packages that refer to it. Its pin keeps the packs while they are sent; what
 * keeps them until a package names them is the grace period of sweeps, and `upload` looks again.
 */
import { canceledError } from '../../base/cancel.ts';
import { TaskGroup } from '../../base/task-group.ts';
import { attemptLocally } from '../../snapshot/local-failure.ts';
import type { ImageSource, TransferOptions } from '../teleport-storage.ts';
import { FrameWriter } from './frame-writer.ts';
import { readImageHint } from './image-hint.ts';
import { PublishPin } from './publish-pin.ts';
import { sendImage } from './send-image.ts';
import type { UploadEnv, UploadStore } from './upload-package.ts';
import { UploadProgress } from './upload-progress.ts';

/** `TeleportStorage.uploadImage`, in a store that has its root. @throws as that says. */
export async function uploadImage(
  env: UploadEnv,
  store: UploadStore,
  image: ImageSource,
  options: TransferOptions = {},
): Promise<number> {
  if (image.files.length === 0) return 0;
  try {
    return await attemptLocally('publish the image', () => sendUnlessThere(env, store, image, options));
  } catch (error) {
    throw options.signal?.aborted === true ? canceledError(options.signal, 'publishing the image') : error;
  }
}

async function sendUnlessThere(
  env: UploadEnv,
  store: UploadStore,
  image: ImageSource,
  options: TransferOptions,
): Promise<number> {
  if ((await readImageHint(env.compute, store, image, options)) !== null) return 0;
  const session = store.sealing.newSession(env.random);
  const request = { session, hostName: store.hostName, packs: [] };
  const pin = await PublishPin.put(env, store.objects, request, options);
  try {
    return await send(env, store, session, image, options);
  } finally {
    await pin.removeInTime();
  }
}

async function send(
  env: UploadEnv,
  { objects, sealing }: UploadStore,
  session: string,
  image: ImageSource,
  options: TransferOptions,
): Promise<number> {
  const group = new TaskGroup(options.signal);
  const writer = new FrameWriter(env, { objects, sealing, session, group, onDurable: async () => undefined });
  const progress = new UploadProgress(options.onProgress, () => writer.storedBytes);
  try {
    await sendImage(
      { compute: env.compute, writer, signal: group.signal, objects, sealing, progress },
      image,
    );
    await group.end();
    return writer.storedBytes;
  } catch (error) {
    throw await group.abandon(error);
  }
}
