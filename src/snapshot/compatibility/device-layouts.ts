/** Numbers of device layouts that say more than that one is another. */

/** Firecracker with a network card, which a host may be able to give VMs or not. */
export const FIRECRACKER_LAYOUT_WITH_NETWORK = 2;
