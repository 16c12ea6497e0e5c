import { isKelpieError, KelpieError } from '../../base/errors.ts';
import { withoutFullStop } from '../../base/sentence.ts';

/**
 * The error to be thrown when a VM's `slirp4netns` did not start: in its own words alone it says neither what it is for nor what to do. What else
 * went wrong passes unchanged.
 */
export function explainSlirp(error: unknown): unknown {
  if (!isKelpieError(error, 'vm_start_failed')) return error;
  const said = withoutFullStop(error.message);
  const todo =
    'install the slirp4netns of a newer release (1.2 works) or allow its sandbox (user and mount namespaces, seccomp), or run the daemon with KELPIE_FIRECRACKER_NETWORK=none';
  return new KelpieError('vm_start_failed', `the VM has no way to the network, since ${said}: ${todo}.`, {
    cause: error,
    data: error.data,
  });
}
