import { isIP, SocketAddress } from 'node:net';

/**
 * The one way of writing an IP address: IPv6 in its short form, IPv4 inside IPv6 (`::ffff:10.0.0.2`) as IPv4. The zone of a
 * link-local address (`fe80::1%eth0`) stays, because without it nobody is reached. Undefined when it is no IP address.
 */
export function ipAddress(text: string): string | undefined {
  const [address = '', ...zone] = text.split('%');
  const family = isIP(address);
  if (family === 4) return text === address ? address : undefined;
  if (family !== 6 || isIP(text) !== 6) return undefined;
  const short = new SocketAddress({ address, family: 'ipv6' }).address;
  return short.startsWith(IPV4_INSIDE) && isIP(short.slice(IPV4_INSIDE.length)) === 4
    ? short.slice(IPV4_INSIDE.length)
    : [short, ...zone].join('%');
}

const IPV4_INSIDE = '::ffff:';

/** As it is shown: the zone says which interface of this machine it came over, and nothing about the address. */
export function shownAddress(address: string): string {
  const [withoutZone = ''] = (ipAddress(address) ?? address).split('%');
  return withoutZone;
}

/** True for an address that never leaves this machine. */
export function isLoopback(address: string): boolean {
  const shown = shownAddress(address);
  return shown === '::1' || /^127\.\d+\.\d+\.\d+$/.test(shown);
}

/** `10.0.0.2:1801`, `[2001:db8::2]:1801`. */
export function addressWithPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The network that an address belongs to, as far as limits go: one customer of a provider, one site (/24, /64). */
export function networkOf(address: string): string {
  const shown = shownAddress(address);
  if (isIP(shown) !== 6) return shown.split('.').slice(0, 3).join('.');
  const [before = '', after] = shown.split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const gap = after === undefined ? 0 : 8 - head.length - tail.length;
  return [...head, ...Array<string>(gap).fill('0'), ...tail].slice(0, 4).join(':');
}
