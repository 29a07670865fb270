import { shownAddress } from '../../io/ip-address.ts';

/** True for an address that never leaves this machine. */
export function isLoopbackAddress(address: string): boolean {
  const shown = shownAddress(address);
  return shown === '::1' || /^127\.\d+\.\d+\.\d+$/.test(shown);
}
