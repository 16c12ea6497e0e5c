/** Writes `docs/openapi.json` from the daemon's table of routes: `scripts/node scripts/write-openapi.ts`. */
import { writeFile } from 'node:fs/promises';
import { format } from 'prettier';
import { describeApi } from '../src/daemon/api/openapi.ts';

const path = new URL('../docs/openapi.json', import.meta.url);
await writeFile(path, await format(JSON.stringify(await describeApi()), { parser: 'json', printWidth: 110 }));
