/** Whether packages are what they were when they were published: structure alone, or every byte. */
import { freeBytes } from '../../base/bytes.ts';
import type { Bytes } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { inParallel } from '../../base/in-parallel.ts';
import type { ActOptions, ObjectStore } from '../objects/object-store.ts';
import { StoreTrouble } from '../objects/store-trouble.ts';
import { planRanges } from './frame-ranges.ts';
import { RANGES_AT_ONCE } from './frame-reader.ts';
import { REQUESTS_AT_ONCE, VERIFY_PROBLEMS_MAX } from './limits.ts';
import { openPackage } from './open-package.ts';
import type { PackageEnv, StoredPackage } from './open-package.ts';
import { PACK_HEADER_BYTES, checkPackHeader } from './pack-header.ts';
import { packKey, packText } from './pack-name.ts';
import type { PackName } from './pack-name.ts';
import { frameText, framesByPack, framesOf } from './package-frames.ts';
import type { PackageFrames } from './package-frames.ts';
import { findPacks } from './publish-pin.ts';
import { readStream } from './read-stream.ts';
import type { PackageSealing } from './sealing.ts';
import type { FrameInfo } from './store-map.ts';

export interface VerifyOptions extends ActOptions {
  /** Manifests, maps, and that all packs are there and long enough; not what is in them. */
  readonly isQuick?: boolean;
  readonly onProgress?: (progress: VerifyProgress) => void;
}

export interface VerifyProgress {
  readonly packageId: string;
  /** Stored bytes, of those that this package needs and no other had needed before. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface PackageVerdict {
  readonly id: string;
  /** Sentences; empty for a package that is whole. At most `VERIFY_PROBLEMS_MAX`. */
  readonly problems: readonly string[];
  /** What was read of it and was right. */
  readonly frames: number;
  readonly checkedBytes: number;
}

export interface VerifyStore {
  readonly objects: Pick<ObjectStore, 'get' | 'head' | 'list' | 'url'>;
  readonly sealing: PackageSealing;
}

/** Checks packages of one store, one after the other; what several of them share is read once. */
export class PackageVerifier {
  readonly #env: PackageEnv;
  readonly #store: VerifyStore;
  readonly #options: VerifyOptions;
  readonly #act: ActOptions;
  /** What was read and was right, as `frameText` has it. */
  readonly #right = new Set<string>();
  readonly #rightPacks = new Set<string>();

  constructor(env: PackageEnv, store: VerifyStore, options: VerifyOptions = {}) {
    this.#env = env;
    this.#store = store;
    this.#options = options;
    this.#act = options.signal === undefined ? {} : { signal: options.signal };
  }

  /** @throws StoreTrouble when the store cannot be asked; KelpieError `package_not_found`. */
  async verify(packageId: string): Promise<PackageVerdict> {
    const check = new Check(packageId);
    await check.attempt(async () => {
      const opened = await openPackage(this.#env, this.#store, packageId, this.#act);
      await this.#checkPacks(opened, check);
    });
    return check.verdict();
  }

  async #checkPacks(opened: StoredPackage, check: Check): Promise<void> {
    const { packs } = opened.manifest;
    const there = await findPacks(this.#store.objects, packs, this.#act);
    for (const pack of packs)
      if (!there.has(packText(pack))) check.problem(`pack ${packText(pack)} is not in the store.`);
    const frames = await framesOf(this.#env, opened, this.#act);
    const byPack = framesByPack(frames);
    for (const [pack, inside] of byPack) checkLength(pack, there.get(pack), inside, check);
    if (this.#options.isQuick === true) return;
    const present = packs.filter((pack) => there.has(packText(pack)));
    await this.#checkHeaders(present, check);
    await this.#checkFrames(opened, frames, check);
    await this.#checkStreams(opened, frames, check);
  }

  async #checkHeaders(packs: readonly PackName[], found: Check): Promise<void> {
    const unread = packs.filter((pack) => !this.#rightPacks.has(packText(pack)));
    const range = { offset: 0, length: PACK_HEADER_BYTES };
    const read = async (pack: PackName, signal: AbortSignal): Promise<void> => {
      const object = await this.#store.objects.get(packKey(pack), { range, signal });
      if (object !== null) checkPackHeader(object.bytes, pack);
    };
    const check = async (pack: PackName, signal: AbortSignal): Promise<void> =>
      await found.attempt(async () => {
        // Once more, as with frames: what was damaged on its way is right then.
        await read(pack, signal).catch(async () => await read(pack, signal));
        this.#rightPacks.add(packText(pack));
      });
    await inParallel(unread, REQUESTS_AT_ONCE, check, this.#options.signal);
  }

  async #checkFrames(opened: StoredPackage, { pages }: PackageFrames, check: Check): Promise<void> {
    const unread = pages.filter((frame) => !this.#right.has(frameText(frame)));
    const totalBytes = unread.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
    let doneBytes = 0;
    await inParallel(
      planRanges(unread),
      RANGES_AT_ONCE,
      async (range, signal) => {
        await check.attempt(async () => {
          const right = async (raw: Bytes, index: number): Promise<void> => {
            freeBytes(raw);
            const frame = unread[index];
            if (frame !== undefined) this.#isRight(frame, check);
          };
          await opened.reader.read(unread, range, right, { signal });
        });
        doneBytes += range.length;
        this.#options.onProgress?.({ packageId: opened.package.id, doneBytes, totalBytes });
      },
      this.#options.signal,
    );
  }

  async #checkStreams(opened: StoredPackage, { streams, index }: PackageFrames, check: Check): Promise<void> {
    for (const frame of index) this.#isRight(frame, check);
    for (const { name, stream } of streams) {
      const text = [stream.sha256, ...stream.frames.map(frameText)].join('\n');
      if (this.#right.has(text)) continue;
      await check.attempt(async () => {
        for await (const _ of readStream(this.#env, opened.reader, stream, { ...this.#act, item: name }));
        for (const frame of stream.frames) this.#isRight(frame, check);
        this.#right.add(text);
      });
    }
  }

  #isRight(frame: FrameInfo, check: Check): void {
    this.#right.add(frameText(frame));
    check.right(frame);
  }
}

/** What is found of one package. */
class Check {
  readonly #id: string;
  readonly #problems = new Set<string>();
  #frames = 0;
  #checkedBytes = 0;

  constructor(id: string) {
    this.#id = id;
  }

  right({ storedBytes }: FrameInfo): void {
    this.#frames += 1;
    this.#checkedBytes += storedBytes;
  }

  problem(sentence: string): void {
    if (this.#problems.size < VERIFY_PROBLEMS_MAX) this.#problems.add(sentence);
  }

  /** A package that is damaged is a result; a store that does not answer, and a package that is not there, are not. */
  async attempt(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (
        !isKelpieError(error, 'package_corrupt', 'package_too_new', 'permission_denied') ||
        error instanceof StoreTrouble
      )
        throw error;
      this.problem(error.message);
    }
  }

  verdict(): PackageVerdict {
    return {
      id: this.#id,
      problems: [...this.#problems],
      frames: this.#frames,
      checkedBytes: this.#checkedBytes,
    };
  }
}

function checkLength(
  pack: string,
  sizeBytes: number | undefined,
  inside: readonly FrameInfo[],
  check: Check,
): void {
  const last = inside.at(-1);
  if (sizeBytes === undefined || last === undefined || last.offset + last.storedBytes <= sizeBytes) return;
  check.problem(
    `pack ${pack} is cut: it has ${sizeBytes} bytes, and the package needs what comes after them.`,
  );
}
