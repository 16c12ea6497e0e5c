import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { collect } from '../../test/support/collect.ts';
import { is } from '../../test/support/fake-guest.ts';
import { concat, utf8 } from '../base/bytes.ts';
import type { Bytes } from '../base/bytes.ts';
import { tarChecksum } from '../image/build/tar-format.ts';
import type { ArchiveEntry } from './entry.ts';
import { readGuestTar } from './tar-reader.ts';
import { encodeTarEntry } from './tar-writer.ts';
import { encodeTarEnd, encodeTarPadding } from '../image/build/tar-writer.ts';

interface Written {
  readonly entry: ArchiveEntry;
  readonly content: Bytes;
}

const byteText = (maxLength: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength })
    .map((codes) => String.fromCharCode(...codes));
const path = byteText(300).filter((text) => !text.startsWith('/') && !text.endsWith('/'));

const written: fc.Arbitrary<Written> = fc
  .record({
    path,
    kind: fc.constantFrom('file', 'directory', 'symlink', 'hardlink', 'fifo'),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 2 ** 32 - 2 }),
    gid: fc.integer({ min: 0, max: 70_000 }),
    modified: fc.constantFrom('0', '-1', '1700000000.123456789', '9999999999.5'),
    target: path,
    extended: fc.dictionary(fc.constantFrom('SCHILY.xattr.user.a', 'SCHILY.acl.access'), byteText(50)),
    content: fc.uint8Array({ maxLength: 1500 }),
  })
  .map(({ content, target, ...rest }) => {
    const isLink = rest.kind === 'symlink' || rest.kind === 'hardlink';
    const bytes = rest.kind === 'file' ? content : new Uint8Array(0);
    const entry = {
      ...rest,
      extended: { ...rest.extended },
      sizeBytes: bytes.byteLength,
      target: isLink ? target : '',
    };
    return { entry, content: bytes };
  });

function streamOf(all: readonly Written[]): Bytes {
  const parts = all.flatMap(({ entry, content }) => [
    encodeTarEntry(entry),
    content,
    encodeTarPadding(content.byteLength),
  ]);
  return concat([...parts, encodeTarEnd()]);
}

async function* inPieces(bytes: Bytes, length: number): AsyncGenerator<Bytes> {
  for (let start = 0; start < bytes.byteLength; start += length) yield bytes.slice(start, start + length);
}

async function read(bytes: Bytes, pieceLength = 10_000): Promise<readonly Written[]> {
  const found: Written[] = [];
  for await (const { entry, content } of readGuestTar(inPieces(bytes, pieceLength)))
    found.push({ entry, content: concat((await collect(content)).map((part) => part.slice())) });
  return found;
}

/** The header at the start of a stream with a field changed, its sum made right. */
function withField(bytes: Bytes, offset: number, text: string): Bytes {
  const changed = bytes.slice();
  changed.set(utf8(text), offset);
  const sum = tarChecksum(changed.subarray(0, 512)).toString(8).padStart(6, '0');
  changed.set(utf8(`${sum}\0 `), 148);
  return changed;
}

const plainFile = {
  path: 'a',
  kind: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  modified: '0',
  sizeBytes: 1,
  target: '',
  extended: {},
} as const;
/** Behind the pax header, which has two blocks: the header of the file itself. */
const bare = encodeTarEntry(plainFile).subarray(1024);

suite('tar', () => {
  test('is read as it was written, byte by byte too', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(written, { maxLength: 4 }),
        fc.constantFrom(1, 7, 512, 10_000),
        async (all, length) => {
          assert.deepEqual(await read(streamOf(all), length), all);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('that is cut, damaged or of something else is refused, or ends early', async () => {
    const all = [
      { entry: plainFile, content: utf8('x') },
      { entry: { ...plainFile, path: 'b' }, content: utf8('y') },
    ];
    const whole = streamOf(all);
    for (let length = 0; length < whole.byteLength; length += 97) {
      const found = await read(whole.subarray(0, length)).catch((error: unknown) => {
        assert.ok(is('guest_protocol_error')(error));
        return [];
      });
      assert.deepEqual(found, all.slice(0, found.length));
    }
    for (const [offset, text] of [
      [148, 'z'],
      [124, '9'],
      [156, 'S'],
      [156, 'K'],
      [108, '\x80\x00'],
    ] as const)
      await assert.rejects(
        read(withField(bare, offset, text)),
        is('guest_protocol_error'),
        `${offset}: ${text}`,
      );
    await assert.rejects(
      read(concat([bare.subarray(0, 100), utf8('q'), bare.subarray(101)])),
      is('guest_protocol_error'),
    );
  });

  test('with a device is refused, with its name', async () => {
    const device = withField(bare, 156, '3');
    await assert.rejects(read(device), (error) => {
      assert.ok(is('checkpoint_invalid')(error) && error instanceof Error);
      assert.match(error.message, /has a device, \/kelpie\/entry/);
      return true;
    });
  });
});
