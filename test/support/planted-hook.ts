/**
 * Loaded into Node before anything else (`--import`): of the modules that it is asked for, those that lie in the overlay too are taken from
 * there. So the program runs with other sources and nobody writes to this project, and what is not altered comes from Node's compile cache.
 */
import { existsSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const overlay = process.env['KELPIE_TEST_OVERLAY'];
const root = `${pathToFileURL(join(import.meta.dirname, '../..')).href}/`;

if (overlay !== undefined) {
  registerHooks({
    load(url, context, nextLoad) {
      const path = url.startsWith(root) ? join(overlay, url.slice(root.length)) : null;
      if (path === null || !existsSync(path)) return nextLoad(url, context);
      return { format: 'module-typescript', source: readFileSync(path, 'utf8'), shortCircuit: true };
    },
  });
}
