import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CPU_FLAGS_MAX } from '../limits.ts';
import { parseCpuinfo } from './cpuinfo.ts';

const intel = (processor: number, flags: string, model = 106): string =>
  `processor\t: ${processor}\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: ${model}\nmodel name\t: Intel(R) Xeon(R) CPU @ 2.60GHz\nflags\t\t: ${flags}\nbugs\t\t: spectre_v1\n\n`;

test('a PC’s processor, with the flags that all of its cores have', () => {
  assert.deepEqual(parseCpuinfo(intel(0, 'sse4_2 aes avx2') + intel(1, 'aes sse4_2')), {
    vendor: 'GenuineIntel',
    family: 6,
    model: 106,
    modelName: 'Intel(R) Xeon(R) CPU @ 2.60GHz',
    flags: ['aes', 'sse4_2'],
  });
});

test('an arm64 processor', () => {
  const text =
    'processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd aes\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: 0xd40\nCPU revision\t: 1\n';
  assert.deepEqual(parseCpuinfo(text), {
    vendor: '0x41',
    family: 0xd40,
    model: 1,
    modelName: '0x41 part 3392',
    flags: ['aes', 'asimd', 'fp'],
  });
});

test('several kinds of cores, or nothing that says what it is, are not known', () => {
  for (const text of [
    '',
    'processor: 0\n',
    intel(0, 'aes') + intel(1, 'aes', 85),
    `${intel(0, 'aes')}processor: 1\n`,
  ])
    assert.equal(parseCpuinfo(text), null);
});

test('any text gives bounded facts or none', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (flags, more) => {
      const facts = parseCpuinfo(intel(0, flags.replaceAll(/[\n:]/g, ' ')) + more);
      assert.ok(facts === null || (facts.flags.length <= CPU_FLAGS_MAX && facts.modelName.length <= 64));
    }),
  );
});
