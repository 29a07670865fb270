import { ipAddress } from '../../io/ip-address.ts';

/**
 * The addresses of an answer in the order in which they are tried: those that were the machine before first, if the name
 * still names them; then the families by turns, beginning with that of the first address, so that a family that leads
 * nowhere costs one start of 250 ms and not one for each of its addresses.
 */
export function orderCandidates(answered: readonly string[], identifiedBefore: readonly string[]): readonly string[] {
  const addresses = withoutRepetition(answered);
  const [first = ''] = addresses;
  const others = addresses.filter((address) => !hasAddress(identifiedBefore, address));
  return [
    ...addresses.filter((address) => hasAddress(identifiedBefore, address)),
    ...interleave(
      others.filter((address) => isIpv6(address) === isIpv6(first)),
      others.filter((address) => isIpv6(address) !== isIpv6(first)),
    ),
  ].slice(0, CANDIDATES_MAX);
}

/** True when one of the addresses is this one, however it is written. */
export function hasAddress(addresses: readonly string[], address: string): boolean {
  return addresses.some((one) => normal(one) === normal(address));
}

/** One text for one set of addresses, whatever their order. */
export function addressSetKey(addresses: readonly string[]): string {
  return withoutRepetition(addresses).map(normal).sort().join(' ');
}

function withoutRepetition(addresses: readonly string[]): readonly string[] {
  return [...new Map(addresses.map((address) => [normal(address), address])).values()];
}

function interleave(left: readonly string[], right: readonly string[]): readonly string[] {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, index) => [left[index], right[index]])
    .flat()
    .filter((address) => address !== undefined);
}

function normal(address: string): string {
  return ipAddress(address) ?? address.toLowerCase();
}

function isIpv6(address: string): boolean {
  return normal(address).includes(':');
}

/** A name with more addresses than this is tried at the first ones only. */
export const CANDIDATES_MAX = 32;
