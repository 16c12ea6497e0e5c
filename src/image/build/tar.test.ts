import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, utf8 } from '../../base/bytes.ts';
import { isKelpieError } from '../../base/errors.ts';
import { readTar } from './tar-reader.ts';
import { encodeTarEnd, encodeTarHeader, encodeTarPadding } from './tar-writer.ts';
import type { Bytes } from '../../base/bytes.ts';
import type { TarHeader } from './tar-format.ts';

function header(path: string, kind: TarHeader['kind'], more: Partial<TarHeader> = {}): TarHeader {
  return {
    path,
    kind,
    mode: 0o644,
    uid: 0,
    gid: 42,
    modifiedSeconds: 1_700_000_000,
    sizeBytes: 0,
    linkTarget: '',
    ...more,
  };
}

async function* chunks(bytes: Bytes, length: number): AsyncGenerator<Bytes> {
  for (let at = 0; at < bytes.byteLength; at += length) yield bytes.subarray(at, at + length);
}

async function readAll(bytes: Bytes, chunkBytes = 1000): Promise<{ header: TarHeader; content: Bytes }[]> {
  const entries: { header: TarHeader; content: Bytes }[] = [];
  for await (const entry of readTar(chunks(bytes, chunkBytes))) {
    const parts: Bytes[] = [];
    for await (const part of entry.content) parts.push(part.slice());
    entries.push({ header: entry.header, content: concat(parts) });
  }
  return entries;
}

const long = `usr/share/${'deep/'.repeat(30)}file`;
const entries: readonly { header: TarHeader; content: Bytes }[] = [
  { header: header('usr', 'directory', { mode: 0o755 }), content: utf8('') },
  { header: header('usr/su', 'file', { mode: 0o4755, sizeBytes: 5 }), content: utf8('hello') },
  { header: header('usr/empty', 'file'), content: utf8('') },
  { header: header(long, 'file', { sizeBytes: 512 }), content: new Uint8Array(512).fill(7) },
  { header: header('usr/link', 'symlink', { mode: 0o777, linkTarget: `../${long}` }), content: utf8('') },
  { header: header('usr/hard', 'hardlink', { linkTarget: long }), content: utf8('') },
];

function encode(all: typeof entries): Bytes {
  return concat([
    ...all.flatMap((entry) => [
      encodeTarHeader(entry.header),
      entry.content,
      encodeTarPadding(entry.content.byteLength),
    ]),
    encodeTarEnd(),
  ]);
}

describe('tar', () => {
  test('reads what it writes, in chunks of any size', async () => {
    for (const size of [1, 7, 512, 100_000])
      assert.deepEqual(await readAll(encode(entries), size), entries, `chunks of ${size}`);
  });

  test('skips what is not read', async () => {
    const paths: string[] = [];
    for await (const entry of readTar(chunks(encode(entries), 100))) paths.push(entry.header.path);
    assert.deepEqual(
      paths,
      entries.map((entry) => entry.header.path),
    );
  });

  test('refuses what is cut, changed, leaves the tree or is a device', async () => {
    const whole = encode(entries);
    const flipped = whole.slice();
    flipped[3] = 0x7a;
    const device = encodeTarHeader(header('dev/null', 'file'));
    device[156] = '3'.charCodeAt(0);
    const bad = [
      whole.subarray(0, 512 * 2 + 3),
      flipped,
      encode([{ header: header('../etc', 'file'), content: utf8('') }]),
      device,
    ];
    for (const bytes of bad)
      await assert.rejects(readAll(bytes), (error) => isKelpieError(error, 'image_build_failed'));
  });
});
