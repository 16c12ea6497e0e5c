/** What the network cards of VMs are on. */
import type { Env } from '../../env/env.ts';
import { findUserNetwork } from './user-network.ts';

/** As the daemon was told. */
export type NetworkOptions =
  /** A TAP device of the host, made for each VM and removed with it. */
  | {
      readonly kind: 'tap';
      /** A bridge of the host that the device joins; null: it stands alone. */
      readonly bridge: string | null;
    }
  /** A network of the VM's own, which takes no rights and publishes ports (`user-network.ts`); none where this host cannot have that. */
  | { readonly kind: 'user' };

/** As this host can. */
export type Network =
  | Extract<NetworkOptions, { readonly kind: 'tap' }>
  /** @property program `slirp4netns`, by its path. */
  | { readonly kind: 'user'; readonly program: string }
  /** VMs have no card. @property why with what to do about it, without a full stop. */
  | { readonly kind: 'none'; readonly why: string };

/** A VM without a card needs nothing of its host. */
export const noNetwork: Network = {
  kind: 'none',
  why: 'the daemon gives VMs no network: set KELPIE_FIRECRACKER_NETWORK',
};

/** What a host lacks is `why` there is none. @throws KelpieError, SystemError when this host cannot even be looked at. */
export async function findNetwork(env: Env, options: NetworkOptions | null): Promise<Network> {
  if (options === null) return noNetwork;
  return options.kind === 'tap' ? options : findUserNetwork(env);
}

/** Why ports cannot be published, with what to do about it, without a full stop; null when they can. */
export function publishProblem(network: Network): string | null {
  if (network.kind === 'user') return null;
  if (network.kind === 'none') return network.why;
  return 'VMs are on TAP devices, which publish nothing: set KELPIE_FIRECRACKER_NETWORK=user for the daemon';
}

/** For `doctor`. */
export function networkFinding(network: Network): string {
  if (network.kind === 'user') return `VMs have a network and publish ports by ${network.program}.`;
  if (network.kind === 'none') return `VMs have no network and publish no ports: ${network.why}.`;
  const bridge = network.bridge === null ? '' : ` on the bridge ${network.bridge}`;
  return `VMs have TAP devices of this host${bridge}, and publish no ports.`;
}
