/** Where the program begins and the real world is made: `kelpie serve` is the daemon, `sim-worker` runs worlds for `kelpie sim`, everything else is the command line. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

const args = process.argv.slice(2);
const status = await run();
// What was started and lives on (VMs, the daemon) would otherwise keep this process waiting for its end.
process.exit(status);

/** Each loads only its own part: a command starts as fast as that. */
async function run(): Promise<number> {
  if (args[0] === 'sim-worker') return (await import('./sim-worker.ts')).runSimWorker();
  if (args[0] === 'serve' && !args.includes('--help')) return serveHome(args.slice(1));
  return (await import('./command-line.ts')).runCommandLine(args);
}

async function serveHome(serveArgs: readonly string[]): Promise<number> {
  const { errorCodes } = await import('../base/error-codes.ts');
  const { isKelpieError } = await import('../base/errors.ts');
  try {
    const { createNodeEnv } = await import('../env/node/env.ts');
    const world = createNodeEnv();
    const { values } = parseArgs({
      args: [...serveArgs],
      options: { home: { type: 'string' }, backend: { type: 'string' } },
      allowPositionals: false,
    });
    const home = resolve(
      values.home ?? world.host.variable('KELPIE_HOME') ?? `${world.host.homeDirectory}/.kelpie`,
    );
    const { serve } = await import('../daemon/main.ts');
    const { createQemuBackend } = await import('../vm/qemu/backend.ts');
    const { createFirecrackerBackend } = await import('../vm/firecracker/backend.ts');
    const { firecrackerOptions } = await import('../vm/firecracker/options.ts');
    const cacheDirectory = `${home}/cache`;
    // Firecracker is the faster one, where it works.
    const backends = [
      createFirecrackerBackend(world, firecrackerOptions(world.host, cacheDirectory)),
      createQemuBackend(world, { cacheDirectory }),
    ];
    const { parseBackend } = await import('../daemon/api/backend-choice.ts');
    const asked = world.host.variable('KELPIE_BACKEND') ?? 'auto';
    const preferredBackend =
      values.backend === undefined
        ? parseBackend(asked, 'KELPIE_BACKEND')
        : parseBackend(values.backend, '--backend');
    await serve(world, { home, backends, preferredBackend }, endingSignal());
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? `kelpie serve: ${error.message}` : error);
    return isKelpieError(error) ? errorCodes[error.code].exit : errorCodes.internal.exit;
  }
}

/** Aborted by the first SIGTERM or SIGINT; a second one ends the process at once. */
function endingSignal(): AbortSignal {
  const ending = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort());
  return ending.signal;
}
