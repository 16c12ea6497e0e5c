/** What is mutated, and the tests that are to notice. */

const teleport = [
  ...['ownership', 'right-to-run', 'source', 'target', 'settle-teleport', 'settle-claim', 'settle-local'],
  ...['settle-snapshot', 'recovery', 'journal', 'journaled', 'reclaim', 'supersede', 'tell-removed'],
  ...['find-at-rest', 'find-record', 'leases', 'lease-watch', 'lease-times'],
].map((name) => `src/teleport/${name}.ts`);

const packages = [
  ...['upload-package', 'publish-pin', 'pin', 'condemned-packs', 'send-package', 'frame-writer'],
  ...['collect', 'needed-packs', 'choose-packs', 'plan-upload'],
].map((name) => `src/store/packages/${name}.ts`);

/** The ownership and publish protocol. */
export const mutatedFiles: readonly string[] = [
  ...teleport,
  'src/store/records/object-ownership.ts',
  ...packages,
];

/** Of the project's root. Those with real VMs and servers, and those of leases in real time, are too slow for a thousand mutants. */
export const testPatterns: readonly string[] = [
  'src/teleport/*.test.ts',
  'src/store/records/*.test.ts',
  'src/store/packages/{collect,frame-writer,package-damage,package-keeper,plan-pages,upload-}*.test.ts',
  'test/{daemon-store,teleport-cancel,vm-registry}.test.ts',
];
export const worldsFile = 'scripts/mutate/worlds.ts';
