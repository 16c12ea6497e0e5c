/** The files of an image, into packs of their own, so that the hint to them can be given before all else is sent. */
import { KelpieError } from '../../base/errors.ts';
import type { PureCompute } from '../../env/compute.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import type { ImageSource } from '../teleport-storage.ts';
import { encodeImageHint, imageHintKey } from './image-hint.ts';
import type { PackagedFile } from './manifest-body.ts';
import type { DocumentSealer } from './sealing.ts';
import { placedStream, sendStream } from './send-stream.ts';
import type { SentStream, StreamSender } from './send-stream.ts';
import type { UploadProgress } from './upload-progress.ts';

export interface ImageSender extends StreamSender {
  readonly compute: Pick<PureCompute, 'sha256' | 'sha256Hasher'>;
  readonly objects: Pick<ObjectStore, 'put'>;
  readonly sealing: DocumentSealer;
  readonly progress: UploadProgress;
}

/** @throws KelpieError `image_corrupt` when a file is not what its digest says. */
export async function sendImage(sender: ImageSender, image: ImageSource): Promise<readonly PackagedFile[]> {
  const { compute, writer, signal, objects, sealing, progress } = sender;
  if (image.files.length === 0) return [];
  const sent: { readonly name: string; readonly stream: SentStream }[] = [];
  for (const { name, sizeBytes, sha256, bytes } of image.files) {
    const damaged = (): Error =>
      new KelpieError('image_corrupt', `${name} of the image is damaged on this host.`);
    const onRead = (doneBytes: number): void => progress.tell(name, doneBytes, sizeBytes);
    const stream = await sendStream(sender, { name, sizeBytes, bytes, onRead, wrongLength: damaged });
    if (stream.sha256 !== sha256) throw damaged();
    sent.push({ name, stream });
  }
  const files: PackagedFile[] = [];
  for (const { name, stream } of sent) files.push({ name, stream: await placedStream(sender, stream) });
  await writer.flush();
  const hint = encodeImageHint(compute, sealing, image.digest, { files, packs: writer.packs });
  await objects.put(imageHintKey(image.digest), hint, { signal });
  return files;
}
