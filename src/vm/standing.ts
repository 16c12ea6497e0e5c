/** Whether a VM executes, asked of its VMM: an act whose answer failed may have been done, or be done yet. */
import { isKelpieError } from '../base/errors.ts';
import type { KelpieError } from '../base/errors.ts';
import type { LiveVmBase, VmDriver } from './vm-driver.ts';

type Standing = 'still' | 'runs' | 'unknown';

/** Unknown, when the VMM does not say: it is ending, or hangs. */
export async function standingOf<Live extends LiveVmBase>(
  driver: Pick<VmDriver<Live>, 'isPaused'>,
  vm: Live,
): Promise<Standing> {
  try {
    return (await driver.isPaused(vm)) ? 'still' : 'runs';
  } catch (error) {
    if (isKelpieError(error)) return 'unknown';
    throw error;
  }
}

/**
 * Lets a VM go on that stands still. One of which nobody knows may execute at any time: what is done to a VM that is called running stops it first, whereas what is
 * done to one that is called paused relies on its standing still.
 * @returns null for a VM that runs, the failure for one that must be taken for running. @throws the failure when it stands still, or its VMM has ended.
 */
export async function letRun<Live extends LiveVmBase>(
  driver: Pick<VmDriver<Live>, 'continueCpus' | 'isPaused'>,
  vm: Live,
): Promise<KelpieError | null> {
  try {
    await driver.continueCpus(vm);
    return null;
  } catch (error) {
    if (!isKelpieError(error) || vm.process.hasEnded()) throw error;
    const standing = await standingOf(driver, vm);
    if (standing === 'still') throw error;
    return standing === 'runs' ? null : error;
  }
}
