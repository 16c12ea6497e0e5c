/** Where a service listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

/** Null for what is no URL of a service: of another protocol, or with a name or a password in it. */
export function serviceUrl(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  return url !== null && isHttp && url.username === '' && url.password === '' ? url : null;
}

/** @param url as `serviceUrl` gives it. */
export function endpointOf({ protocol, hostname, port }: URL): Endpoint {
  const isTls = protocol === 'https:';
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: port === '' ? (isTls ? 443 : 80) : Number(port), isTls };
}
