/** What `kelpie sim` makes of a failure: a command that shows it again, the smallest case, and a page to look at in a browser. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { promisify } from 'node:util';
import { kelpieSim } from './support/kelpie-sim.ts';
import type { SimOutcome } from './support/kelpie-sim.ts';
import { withPlanted } from './support/planted.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

/** In the simulated guest itself, so that it stays where it is: a repair that is asked for and not done. */
const plant = {
  file: 'src/sim/world/guest-agent.ts',
  right: '    guest.isRepairNeeded = false;\n',
  wrong: '',
};

interface SmallPlan {
  readonly strategy: string;
  readonly acts: readonly { readonly name: string }[];
  readonly troubles: readonly unknown[];
  readonly strikes: readonly unknown[];
}

/** The page as a browser lays it out. */
async function layOut(page: string): Promise<string> {
  const run = promisify(execFile);
  const args = ['--no-sandbox', '--disable-gpu', '--dump-dom', `file://${page}`];
  const { stdout } = await run('chromium-headless-shell', args, { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

test('a failure is replayed, shrunk and drawn', async (context) => {
  const cwd = await temporaryDirectory(context);
  await withPlanted([plant], async (environment) => {
    const sim = (...args: readonly string[]): Promise<SimOutcome> => kelpieSim(args, { environment, cwd });

    const found = await sim('--seeds', '200', '--until-failure');
    assert.equal(found.exitCode, 1, found.stdout);
    const { seed } = /^seed (?<seed>\d+): repair: /m.exec(found.stderr)?.groups ?? {};
    assert.ok(seed !== undefined, found.stderr);
    assert.match(found.stderr, new RegExp(`replay: kelpie sim --seed ${seed} --log$`, 'm'));

    const again = await sim('--seed', seed, '--log');
    assert.equal(again.exitCode, 1);
    assert.match(again.stdout, /--- kelpied.log of a\n.*daemon-started/);
    assert.match(again.stdout, new RegExp(`^seed ${seed}: repair: `, 'm'));

    const shrunk = await sim('shrink', seed, '--output', 'small.json');
    assert.equal(shrunk.exitCode, 0, shrunk.stderr);
    assert.match(shrunk.stdout, /replay: kelpie sim --plan small.json --log/);
    const plan = JSON.parse(await readFile(join(cwd, 'small.json'), 'utf8')) as SmallPlan;
    // A VM is made, restored in one way or the other, and asked something.
    assert.ok(plan.acts.length <= 5, JSON.stringify(plan.acts));
    assert.deepEqual([plan.troubles, plan.strikes], [[], []]);
    const small = await sim('--plan', 'small.json');
    assert.equal(small.exitCode, 1);
    assert.match(small.stdout, /: repair: /);

    const traced = await sim('trace', seed, '--html', 'run.html');
    assert.equal(traced.exitCode, 0, traced.stderr);
    await checkPage(join(cwd, 'run.html'));
  });
});

async function checkPage(path: string): Promise<void> {
  const source = await readFile(path, 'utf8');
  assert.doesNotMatch(source, /(?:src|href)="(?!#)|url\(|@import|<script/, 'the page needs nothing else');
  const page = await layOut(path);
  for (const part of [
    /<title>Seed \d+: repair/,
    /<p class="bad" id="verdict">repair: /,
    /<b[^>]*>kelpied a<\/b>/,
    /<b[^>]*>store<\/b>/,
    /class="message".*<path class="head"/,
    /<rect class="guest"/,
    /<rect class="record"[^>]*><title>[0-9a-f]{12} epoch \d+: at-rest/,
    /<g class="oracle" id="oracle">/,
  ])
    assert.match(page, part);
}
