/** Where the packages and records of a world are. */
import type { Volume } from '../disk/volume.ts';
import { createSimEnv } from '../env/sim-env.ts';
import type { Machine } from '../machine.ts';
import { Prng } from '../prng.ts';
import { Bucket } from '../s3/bucket.ts';
import { BUCKET_NAME, S3_PORT, s3Program } from '../s3/service.ts';
import { uuidFromBytes } from '../uuid.ts';

export const STORE_PATH = '/store';
/** The service as others call its machine. */
export const SERVICE_HOST = 's3';
const PREFIX = 'team';

export type StorePlace =
  | {
      readonly kind: 'directory';
      readonly url: string;
      readonly volume: Volume;
      /** Where it is on its volume. */
      readonly root: string;
    }
  | {
      readonly kind: 's3';
      readonly url: string;
      readonly bucket: Bucket;
      /** Before every key. */
      readonly prefix: string;
    };

/** Starts a service on a machine. */
export function startService(machine: Machine, seed: number): StorePlace {
  const { compute, scheduler } = machine;
  const random = Prng.named(seed, 'bucket');
  const bucket = new Bucket({
    sha256: (bytes) => compute.sha256(bytes),
    wallMs: () => machine.wallOffsetMs + scheduler.nowMs,
    newId: () => uuidFromBytes(random.bytes(16)),
  });
  const process = machine.startProcess(['s3'], 's3 service');
  machine.run(s3Program(bucket), process, createSimEnv(process));
  const endpoint = encodeURIComponent(`http://${SERVICE_HOST}:${S3_PORT}`);
  const url = `s3://${BUCKET_NAME}/${PREFIX}?endpoint=${endpoint}`;
  return { kind: 's3', url, bucket, prefix: `${PREFIX}/` };
}
