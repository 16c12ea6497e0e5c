import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { checkCompatibility } from './check.ts';
import { fromFactsDocument, toFactsDocument } from './facts-document.ts';
import type { CpuFacts } from '../metadata.ts';
import type { BackendFacts, HostFacts, SnapshotFacts } from './facts.ts';
import type { ReasonCode } from './rules.ts';
import { versionNumber } from './rules.ts';

const PAIRS = 10_000;
const digestA = 'a'.repeat(64);
const digestB = 'b'.repeat(64);

const imageName = fc.constantFrom('base', 'base', 'agent');
const imageVersion = fc.constantFrom('1.0.0', '1.0.7', '1.1.0', '2.0.0');
const image = fc.record({
  name: imageName,
  version: imageVersion,
  digest: fc.constantFrom(digestA, digestB),
});
const architecture = fc.constantFrom('x86_64' as const, 'arm64' as const);
const cpu: fc.Arbitrary<CpuFacts> = fc.record({
  vendor: fc.constantFrom('GenuineIntel', 'AuthenticAMD'),
  family: fc.constantFrom(6, 25),
  model: fc.constantFrom(85, 106),
  modelName: fc.constant('A CPU'),
  flags: fc.subarray(['aes', 'avx2', 'avx512f', 'sse4_2']),
});
const backendName = fc.constantFrom('qemu' as const, 'firecracker' as const, 'vz' as const);
const accelerator = fc.constantFrom('tcg' as const, 'kvm' as const, 'hvf' as const);
const machineType = fc.constantFrom('pc-q35-7.2', 'pc-q35-9.0');
const cpuModel = fc.constantFrom('Nehalem-v1', 'host', 'cortex-a72');
const version = fc.constantFrom('7.2.22 (Debian)', '9.0.0', 'v1.16', 'unknown');
const kernels = ['Linux 5.10.200-1-amd64', 'Linux 6.1.0-18-amd64', 'Darwin 25.1.0'] as const;
const kernel = fc.constantFrom(...kernels);

const source = fc.record({ architecture, kernel, cpu: fc.option(cpu) });
const snapshots: fc.Arbitrary<SnapshotFacts> = fc.record({
  kind: fc.constantFrom('suspend', 'teleport', 'teleport', 'checkpoint'),
  portability: fc.constantFrom('host', 'arch', 'any'),
  architecture,
  image,
  carriesImage: fc.boolean(),
  machine: fc.record({
    backend: backendName,
    backendVersion: version,
    machineType,
    cpuModel,
    accelerator: fc.oneof(accelerator, fc.constant('none' as const)),
    deviceLayout: fc.constantFrom(1, 2),
  }),
  source,
});
const backend: fc.Arbitrary<BackendFacts> = fc.record({
  name: backendName,
  architecture,
  version: fc.option(version),
  accelerators: fc.subarray(['tcg', 'kvm', 'hvf']),
  machineTypes: fc.option(fc.subarray(['pc-q35-7.2', 'pc-q35-9.0'])),
  cpuModels: fc.option(
    fc.record(
      { tcg: fc.subarray(['Nehalem-v1', 'cortex-a72']), kvm: fc.subarray(['Nehalem-v1', 'host']) },
      { requiredKeys: [] },
    ),
  ),
  deviceLayouts: fc.subarray([1, 2]),
});
const hostImage = fc.record({
  name: imageName,
  version: imageVersion,
  digest: fc.constantFrom(digestA, digestB),
  architecture,
});
const hosts: fc.Arbitrary<HostFacts> = fc
  .record({
    architecture,
    kernel,
    cpu: fc.option(cpu),
    backends: fc.uniqueArray(backend, {
      maxLength: 4,
      selector: ({ name, architecture: of }) => `${name} ${of}`,
    }),
    images: fc.array(hostImage, { maxLength: 2 }),
    damaged: fc.subarray([digestA, digestB]),
  })
  .map(({ damaged, ...facts }) => ({
    ...facts,
    imageDigests: new Set([...facts.images.map(({ digest }) => digest), ...damaged]),
  }));

/** A pair that fits, so that single differences are met often. */
const fittingPairs: fc.Arbitrary<readonly [SnapshotFacts, HostFacts]> = fc
  .tuple(snapshots, hosts)
  .map(([snapshot, host]) => {
    const portability = 'any' as const;
    const machine = {
      ...snapshot.machine,
      backend: 'qemu' as const,
      backendVersion: '7.2.22 (Debian)',
      cpuModel: 'Nehalem-v1',
      accelerator: 'tcg' as const,
    };
    const able: BackendFacts = {
      name: 'qemu',
      architecture: snapshot.architecture,
      version: '9.0.0',
      accelerators: ['tcg'],
      machineTypes: [machine.machineType],
      cpuModels: { tcg: ['Nehalem-v1'] },
      deviceLayouts: [machine.deviceLayout],
    };
    return [
      { ...snapshot, kind: 'teleport' as const, portability, machine },
      { ...host, backends: [able], imageDigests: new Set([snapshot.image.digest]) },
    ] as const;
  });

/** The stated rules again, written apart from the code: each is true where `docs/PORTABILITY.md` says no. */
function brokenRules(snapshot: SnapshotFacts, host: HostFacts): ReadonlySet<ReasonCode> {
  const broken = new Set<ReasonCode>();
  if (snapshot.kind === 'checkpoint') {
    if (host.backends.length === 0) broken.add('backend');
    const fits = host.images.some(
      (own) =>
        own.name === snapshot.image.name &&
        own.version.slice(0, 3) === snapshot.image.version.slice(0, 3) &&
        host.backends.some((able) => able.architecture === own.architecture),
    );
    if (!fits) broken.add('image');
    return broken;
  }
  const { machine } = snapshot;
  const of = host.backends.filter(({ name }) => name === machine.backend);
  const able = of.find((candidate) => candidate.architecture === snapshot.architecture);
  if (of.length === 0) broken.add('backend');
  else if (able === undefined) broken.add('architecture');
  if (machine.backend === 'vz') broken.add('same-host');
  if (machine.backend === 'firecracker' && snapshot.portability === 'any')
    broken.add('same-host').add('portability');
  if (machine.backend === 'vz' && (snapshot.portability !== 'host' || machine.accelerator !== 'hvf'))
    broken.add('portability');
  if (machine.backend === 'firecracker' && machine.accelerator !== 'kvm') broken.add('portability');
  if (machine.backend === 'qemu' && machine.accelerator === 'none') broken.add('portability');
  if (machine.backend === 'qemu' && snapshot.portability === 'any' && machine.accelerator !== 'tcg')
    broken.add('portability');
  const crosses = host.architecture !== snapshot.architecture && snapshot.portability !== 'any';
  const wasEmulatedOnSuch =
    machine.accelerator === 'tcg' && snapshot.source.architecture === host.architecture;
  if (crosses && !wasEmulatedOnSuch) broken.add('portability');
  if (machine.cpuModel === 'host') {
    const there = snapshot.source.cpu;
    const here = host.cpu;
    const isEqual =
      there !== null &&
      here !== null &&
      [there.vendor, there.family, there.model].join() === [here.vendor, here.family, here.model].join() &&
      there.flags.every((flag) => here.flags.includes(flag));
    if (!isEqual) broken.add('cpu');
  }
  if (!snapshot.carriesImage && !host.imageDigests.has(snapshot.image.digest)) broken.add('image');
  if (able === undefined) return broken;
  if (machine.accelerator !== 'none') {
    if (!able.accelerators.includes(machine.accelerator)) broken.add('accelerator');
    if (
      machine.cpuModel !== 'host' &&
      !(able.cpuModels?.[machine.accelerator] ?? []).includes(machine.cpuModel)
    )
      broken.add('cpu-model');
  }
  if (!(able.machineTypes ?? []).includes(machine.machineType)) broken.add('machine-type');
  if (!able.deviceLayouts.includes(machine.deviceLayout)) broken.add('device-layout');
  const there = versionNumber(machine.backendVersion);
  const here = able.version === null ? null : versionNumber(able.version);
  if (there === null || here === null || here < there) broken.add('vmm-version');
  const kernelOrder: readonly string[] = kernels.slice(0, 2);
  const keptBy = kernelOrder.indexOf(host.kernel);
  const needed = kernelOrder.indexOf(snapshot.source.kernel);
  if (able.name === 'firecracker' && !(needed !== -1 && keptBy >= needed)) broken.add('kernel');
  return broken;
}

test('it says yes exactly when no rule says no, and tells all of those that do', () => {
  let allowed = 0;
  const pairs = fc.oneof(
    fc.tuple(snapshots, hosts),
    fittingPairs,
    fittingPairs.chain(([snapshot]) => fc.tuple(fc.constant(snapshot), hosts)),
  );
  fc.assert(
    fc.property(pairs, ([snapshot, host]) => {
      const { reasons } = checkCompatibility(snapshot, host);
      const codes = reasons.map(({ code }) => code);
      assert.deepEqual([...new Set(codes)].toSorted(), [...brokenRules(snapshot, host)].toSorted());
      for (const { text, instead } of reasons) {
        assert.match(text, /^[a-z].*\.$/);
        assert.match(instead, /^[A-Z].*[.]$/);
      }
      if (reasons.length === 0) allowed += 1;
    }),
    { numRuns: PAIRS },
  );
  assert.ok(allowed > PAIRS / 10, 'pairs that fit were among them');
});

test('nobody says yes for another host to what that would refuse itself', () => {
  fc.assert(
    fc.property(fc.oneof(fc.tuple(snapshots, hosts), fittingPairs), ([snapshot, host]) => {
      const codesFor = (facts: HostFacts): readonly ReasonCode[] =>
        checkCompatibility(snapshot, facts, 'cloud').reasons.map(({ code }) => code);
      const told = codesFor(fromFactsDocument(toFactsDocument(host)));
      assert.ok(codesFor(host).every((code) => told.includes(code)));
    }),
    { numRuns: 1000 },
  );
});

test('one difference gives one reason', () => {
  fc.assert(
    fc.property(fittingPairs, ([snapshot, host]) => {
      assert.deepEqual(checkCompatibility(snapshot, host).reasons, []);
      const [able] = host.backends;
      assert.ok(able !== undefined);
      const changes: readonly [Partial<BackendFacts>, ReasonCode][] = [
        [{ machineTypes: null }, 'machine-type'],
        [{ machineTypes: [] }, 'machine-type'],
        [{ cpuModels: null }, 'cpu-model'],
        [{ accelerators: ['kvm'] }, 'accelerator'],
        [{ version: null }, 'vmm-version'],
        [{ version: '7.1.9' }, 'vmm-version'],
        [{ deviceLayouts: [99] }, 'device-layout'],
      ];
      for (const [change, code] of changes) {
        const { reasons } = checkCompatibility(snapshot, { ...host, backends: [{ ...able, ...change }] });
        assert.deepEqual(
          reasons.map((reason) => reason.code),
          [code],
        );
      }
    }),
    { numRuns: 200 },
  );
});

test('a network card that VMs have not there is named, with what to do', () => {
  fc.assert(
    fc.property(fittingPairs, ([snapshot, host]) => {
      const machine = { ...snapshot.machine, backend: 'firecracker' as const, deviceLayout: 2 };
      const backends = host.backends.map((able) => ({
        ...able,
        name: machine.backend,
        deviceLayouts: [1],
      }));
      const { reasons } = checkCompatibility({ ...snapshot, machine }, { ...host, backends });
      const found = reasons.find(({ code }) => code === 'device-layout');
      assert.match(found?.text ?? '', /has a network card/);
      assert.match(found?.instead ?? '', /slirp4netns.*KELPIE_FIRECRACKER_NETWORK/);
    }),
  );
});

test('an older VMM’s state goes on, a newer one’s does not, whatever the last number is', () => {
  fc.assert(
    fc.property(fittingPairs, ([snapshot, host]) => {
      const [able] = host.backends;
      assert.ok(able !== undefined);
      const verdict = (there: string, here: string): string => {
        const facts = {
          ...snapshot,
          source: { ...snapshot.source, architecture: host.architecture },
          machine: { ...snapshot.machine, backendVersion: there },
        };
        const { reasons, notices } = checkCompatibility(
          facts,
          { ...host, backends: [{ ...able, version: here }] },
          'cloud',
        );
        return reasons[0]?.text ?? notices[0] ?? 'the same';
      };
      assert.equal(verdict('7.2.22', '7.2.22'), 'the same');
      assert.equal(
        verdict('7.2.22', '9.0.0'),
        'it ran on qemu 7.2.22, cloud has 9.0.0, and from then on needs that or a newer one.',
      );
      assert.equal(verdict('7.2.22', '7.2.5'), 'it ran on qemu 7.2.22, cloud has 7.2.5.');
      assert.equal(verdict('9.0.0', '7.2.22'), "it ran on qemu 9.0.0, which is newer than cloud's 7.2.22.");
      assert.equal(verdict('9.0.0', 'unknown'), 'the version of qemu on cloud is not known.');
    }),
    { numRuns: 20 },
  );
});

test('a checkpoint needs the release of its image for an architecture that the host runs, no more', () => {
  fc.assert(
    fc.property(fittingPairs, ([snapshot, host]) => {
      const verdict = (has: string, changes: Partial<HostFacts> = {}): readonly ReasonCode[] => {
        const own = { ...snapshot.image, digest: digestB, version: has, architecture: snapshot.architecture };
        const facts = {
          ...snapshot,
          kind: 'checkpoint' as const,
          image: { ...snapshot.image, version: '1.2.3' },
        };
        return checkCompatibility(facts, { ...host, images: [own], ...changes }).reasons.map(
          ({ code }) => code,
        );
      };
      assert.deepEqual(verdict('1.2.9'), []);
      assert.deepEqual(verdict('1.3.3'), ['image']);
      assert.deepEqual(verdict('2.2.3'), ['image']);
      assert.deepEqual(verdict('1.2.3', { images: [] }), ['image']);
      assert.deepEqual(verdict('1.2.3', { backends: [] }), ['backend', 'image']);
    }),
    { numRuns: 20 },
  );
});

test('a version is its first two numbers', () => {
  assert.deepEqual(['7.2.22 (Debian 1:7.2)', 'v1.16.1', '10.0', 'seven', '7', '99999.1'].map(versionNumber), [
    70_002,
    10_016,
    100_000,
    null,
    null,
    null,
  ]);
});
