import { createInPlaceCompute } from '../../src/env/node/compute.ts';
import { createSettle } from '../../src/env/node/settle.ts';
import type { Engine } from '../../src/sim/run-plan.ts';

/** What simulated worlds run on in the process of a test, whose runner hears of stray rejections itself. */
export function createSimEngine(): Engine {
  return { compute: createInPlaceCompute(), settle: createSettle(), takeStray: () => null };
}
