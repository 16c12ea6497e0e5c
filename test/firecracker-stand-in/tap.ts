import { existsSync } from 'node:fs';
import { Fault } from '../../src/sim/firecracker/fault.ts';

/** What the kernel takes as the name of a network device. */
const NAME_BYTES_MAX = 15;

/**
 * Whether there is a TAP device of this name, or may be made: Firecracker attaches to one, or, with the right to, makes it.
 * @throws Fault.
 */
export function assertTap(name: string, failure: string): void {
  const reason = tapFault(name);
  if (reason !== null) throw new Fault(`${failure}Open tap device failed: ${reason}`);
}

function tapFault(name: string): string | null {
  if (Buffer.byteLength(name) > NAME_BYTES_MAX || name === '') return 'Invalid interface name';
  const device = `/sys/class/net/${name}`;
  if (existsSync(device) && !existsSync(`${device}/tun_flags`)) {
    return `Error while creating ifreq structure: Invalid argument (os error 22). Invalid TUN/TAP Backend provided by ${name}.`;
  }
  const mayMake = process.getuid?.() === 0;
  if (!existsSync(device) && !mayMake) {
    return `Error while creating ifreq structure: Operation not permitted (os error 1). Invalid TUN/TAP Backend provided by ${name}.`;
  }
  return null;
}
