/** Hosts whose QEMU is missing, broken or silent: a sentence and a status, and nothing is left. */
import assert from 'node:assert/strict';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { smallVm, withHosts } from './support/cli-host.ts';
import { processesOf } from './support/host-processes.ts';
import type { CliHost, MakeHost } from './support/cli-host.ts';

const path = process.env['PATH'] ?? '';
const standIns = join(import.meta.dirname, 'support/stand-ins');

/** A host on which `qemu-system-x86_64` is the stand-in, which finds the real one by the usual path. */
async function hostWith(make: MakeHost, scratch: string, standIn: string): Promise<CliHost> {
  const folder = join(scratch, `${standIn}-programs`);
  const program = join(folder, 'qemu-system-x86_64');
  await mkdir(folder);
  await writeFile(
    program,
    `#!/bin/sh\nPATH='${path}' exec sh '${join(standIns, `${standIn}-qemu.sh`)}' "$@"\n`,
  );
  await chmod(program, 0o755);
  return make(standIn, { env: { PATH: `${folder}:${path}` } });
}

async function assertNoVm(host: CliHost): Promise<void> {
  assert.deepEqual((await host.json(['ps']))['vms'], []);
  const others = (await processesOf(host.home)).filter(({ args }) => !args.includes('serve'));
  assert.deepEqual(others, []);
}

await test('a QEMU that does not work', async (t) => {
  await withHosts(async (make, scratch) => {
    await t.test('is missing: told by up and by doctor', async () => {
      const folder = join(scratch, 'few-programs');
      await mkdir(folder);
      for (const name of ['sh', 'readlink', 'flock']) await symlink(`/usr/bin/${name}`, join(folder, name));
      const host = await make('missing', { env: { PATH: folder } });
      assert.match(
        await host.fails('backend_unavailable', ['up', 'dev', ...smallVm]),
        /kelpie doctor|install/,
      );
      const report = await host.run(['doctor']);
      assert.equal(report.status, 69);
      assert.match(report.stdout, /^problem +backend/m);
      await assertNoVm(host);
    });

    await t.test('ends at once: what it said is quoted', async () => {
      const host = await hostWith(make, scratch, 'broken');
      assert.match(await host.fails('vm_start_failed', ['up', 'dev', ...smallVm]), /broken on purpose/);
      await assertNoVm(host);
    });

    await t.test('never answers: given up in bounded time', async () => {
      const host = await hostWith(make, scratch, 'silent');
      const startMs = performance.now();
      await host.fails('vm_start_failed', ['up', 'dev', ...smallVm]);
      assert.ok(performance.now() - startMs < 45_000);
      await assertNoVm(host);
    });
  });
});
