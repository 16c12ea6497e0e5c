/** Port forwards in a query: `8080:80,8443:443`, empty for none. */
import type { PortForward } from '../../snapshot/metadata.ts';

export function forwardsText(publish: readonly PortForward[]): string {
  return publish.map(({ hostPort, guestPort }) => `${hostPort}:${guestPort}`).join(',');
}

/** The reverse; what is no number becomes `NaN`, which no schema takes. */
export function parseForwards(text: string): readonly PortForward[] {
  if (text === '') return [];
  return text.split(',').map((one) => {
    const [hostPort = Number.NaN, guestPort = Number.NaN] = one.split(':').map(Number);
    return { hostPort, guestPort };
  });
}
