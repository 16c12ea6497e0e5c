import assert from 'node:assert/strict';
import test from 'node:test';
import * as limits from '../limits.ts';
import type { HostFacts } from './facts.ts';
import { factsDocument, fromFactsDocument, toFactsDocument } from './facts-document.ts';

const digest = 'a'.repeat(64);
const facts: HostFacts = {
  architecture: 'x86_64',
  kernel: 'Linux 6.1.0-18-amd64',
  cpu: null,
  backends: [
    {
      name: 'qemu',
      architecture: 'x86_64',
      version: '7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)',
      accelerators: ['tcg', 'kvm'],
      machineTypes: ['pc-q35-7.2'],
      cpuModels: { tcg: ['Nehalem-v1'], kvm: ['Nehalem-v1', 'host'] },
      deviceLayouts: [1],
    },
  ],
  imageDigests: new Set([digest]),
  images: [{ name: 'base', version: '1.0.0', digest, architecture: 'x86_64' }],
};

test('facts come back as they were told', () => {
  const told: unknown = JSON.parse(JSON.stringify(toFactsDocument(facts)));
  assert.deepEqual(fromFactsDocument(factsDocument.parse(told)), facts);
  const unknowns = { version: null, machineTypes: null, cpuModels: null };
  const unsure = { ...facts, backends: facts.backends.map((backend) => ({ ...backend, ...unknowns })) };
  assert.deepEqual(fromFactsDocument(factsDocument.parse(toFactsDocument(unsure))), unsure);
});

test('what is beyond the bounds is left out by who tells, and refused by who reads', () => {
  const many = Array.from({ length: 2000 }, (_, index) => `machine-${index}`);
  const huge: HostFacts = {
    ...facts,
    kernel: `Linux ${'ü'.repeat(1000)}`,
    backends: Array.from({ length: 20 }, () => ({
      name: 'qemu',
      architecture: 'arm64',
      version: '',
      accelerators: ['tcg'],
      machineTypes: ['no word, this', ...many],
      cpuModels: { tcg: many },
      deviceLayouts: many.map((_, index) => index),
    })),
    images: many.map(() => ({ name: 'base', version: '1.0.0', digest, architecture: 'arm64' })),
  };
  const told = toFactsDocument(huge);
  assert.deepEqual(factsDocument.parse(told), told);
  assert.equal(told.backends.length, limits.BACKENDS_MAX);
  assert.equal(told.backends[0]?.machineTypes?.[0], 'machine-0');
  const [image] = told.images;
  assert.ok(image !== undefined);
  for (const forged of [
    { ...told, images: [...told.images, image] },
    { ...told, backends: [...told.backends, ...told.backends] },
    { ...told, source: { ...told.source, kernel: 'two\nlines' } },
    { ...told, more: true },
  ])
    assert.equal(factsDocument.safeParse(forged).success, false);
});
