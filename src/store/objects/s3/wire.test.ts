/** The words of S3: signatures, times, XML, settings and profiles. */
import assert from 'node:assert/strict';
import test from 'node:test';
import * as fc from 'fast-check';
import { s3Env } from '../../../../test/support/strict-s3/s3-fixture.ts';
import { refusedAs } from '../../../../test/support/store-fixture.ts';
import { hex, utf8 } from '../../../base/bytes.ts';
import { createNodeEnv } from '../../../env/node/env.ts';
import { parseListing } from './answers.ts';
import { basicTime, parseHttpTime, parseIsoTime } from './civil-time.ts';
import { hmacSha256 } from './hmac.ts';
import { parseIni } from './ini-file.ts';
import { readS3Settings } from './s3-settings.ts';
import { Signer } from './sign-request.ts';
import { XmlError, escapeXml, parseXml, textOf } from './xml.ts';

const { compute } = createNodeEnv();

test('HMAC is that of RFC 4231', () => {
  const mac = hmacSha256(compute, utf8('Jefe'), utf8('what do ya want for nothing?'));
  assert.equal(hex(mac), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843');
  const long = hmacSha256(
    compute,
    new Uint8Array(131).fill(0xaa),
    utf8('Test Using Larger Than Block-Size Key - Hash Key First'),
  );
  assert.equal(hex(long), '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54');
});

test('signatures are those of the S3 documentation', () => {
  const credentials = {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  };
  const empty = compute.sha256(new Uint8Array(0));
  const headers = { host: 'examplebucket.s3.amazonaws.com' };
  const common = { method: 'GET', bodySha256: empty };
  const signer = new Signer(compute);
  const wallMs = Date.UTC(2013, 4, 24);
  const signed = (path: string, query: Record<string, string>, more: Record<string, string>): string =>
    signer.sign(
      { ...common, path, query, headers: { ...headers, ...more } },
      credentials,
      'us-east-1',
      wallMs,
    )['authorization'] ?? '';
  assert.match(
    signed('/test.txt', {}, { range: 'bytes=0-9' }),
    /Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/,
  );
  assert.match(
    signed('/', { lifecycle: '' }, {}),
    /Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543$/,
  );
  assert.match(
    signed('/', { prefix: 'J', 'max-keys': '2' }, {}),
    /Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7$/,
  );
});

test('times are those of Date', () => {
  const span = {
    min: new Date('1970-01-01T00:00:00Z'),
    max: new Date('2199-12-31T23:59:59Z'),
    noInvalidDate: true,
  };
  fc.assert(
    fc.property(fc.date(span), (date) => {
      const seconds = Math.floor(date.getTime() / 1000) * 1000;
      assert.equal(basicTime(date.getTime()), date.toISOString().replaceAll(/[-:]|\.\d+/g, ''));
      assert.equal(parseIsoTime(date.toISOString()), seconds);
      assert.equal(parseHttpTime(date.toUTCString()), seconds);
    }),
  );
  for (const text of ['', 'yesterday', '2026-13-01T00:00:00Z', '2026-01-01T24:00:00Z'])
    assert.equal(parseIsoTime(text), null);
  for (const text of ['', 'Sun, 22 Foo 2026 03:00:46 GMT']) assert.equal(parseHttpTime(text), null);
});

test('text comes back from XML as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      assert.equal(
        textOf(parseXml(`<?xml version="1.0"?><a b="c"><x>${escapeXml(text)}</x><y/></a>`), 'x'),
        text,
      );
    }),
  );
  assert.equal(textOf(parseXml('<a><x>&#65;&#x42;&apos;<!-- no --></x></a>'), 'x'), "AB'");
});

test('what is not the XML of S3 is refused, whatever it is', () => {
  const bombs = [
    '',
    'text',
    '<a>',
    '</a>',
    '<a></b>',
    '<a/><b/>',
    '<a/>text',
    '<a>&unknown;</a>',
    '<a>&#99999999;</a>',
    '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
    '<a><![CDATA[x]]></a>',
    '<a>'.repeat(100),
    `<a>${'<b/>'.repeat(60_000)}</a>`,
  ];
  for (const text of bombs) assert.throws(() => parseXml(text), XmlError, text.slice(0, 40));
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      try {
        parseXml(text);
      } catch (error) {
        assert.ok(error instanceof XmlError, String(error));
      }
    }),
  );
  for (const text of ['<Error/>', '<ListBucketResult><Contents/></ListBucketResult>', '<html>'])
    assert.throws(() => parseListing(utf8(text), 's3://bucket'), /wrong answer/);
});

test('URLs and settings say where a store is', async () => {
  const env = s3Env({ AWS_REGION: 'eu-west-1' });
  const plain = await readS3Settings(env, 's3://bucket/team/a/');
  assert.deepEqual(
    [plain.url, plain.prefix, plain.region, plain.endpoint, plain.isPathStyle],
    ['s3://bucket/team/a', 'team/a/', 'eu-west-1', null, false],
  );
  const own = await readS3Settings(
    env,
    's3://bucket?endpoint=http://[::1]:9000&region=here&path-style=false',
  );
  assert.deepEqual(
    [own.endpoint, own.region, own.isPathStyle],
    [{ host: '::1', port: 9000, isTls: false }, 'here', false],
  );
  assert.equal((await readS3Settings(env, 's3://a.bucket')).isPathStyle, true);
  for (const url of [
    's3://',
    's3://B',
    's3://bucket/../x',
    's3://bucket?what=1',
    's3://bucket?region=a/b',
    's3://bucket?endpoint=ftp://x',
    's3://bucket?endpoint=https://x/path',
    's3://bucket?kms-key=x',
  ])
    await refusedAs(readS3Settings(env, url), 'invalid_argument');
});

test('profiles are read as AWS tools write them', () => {
  const text =
    '# all\n[default]\naws_access_key_id = A\n\n[profile work]\nregion=eu-west-1 ; here\ns3 =\n  addressing_style = path\n';
  const sections = parseIni(text);
  assert.equal(sections.get('default')?.get('aws_access_key_id'), 'A');
  assert.deepEqual(
    [...(sections.get('work') ?? [])],
    [
      ['region', 'eu-west-1'],
      ['s3', ''],
    ],
  );
});
