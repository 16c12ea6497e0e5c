/** A rule that keeps nothing is refused by whoever would send it, too: a host without VMs is never asked. */
export { requireKeeping } from '../../snapshot/prune-rule.ts';
