import { readFileSync } from 'node:fs';
import { ipAddress } from './ip-address.ts';

/**
 * What a file of `address name…` lines (as /etc/hosts) says about a name in lower case, as of now. Everything behind `#` is
 * a comment. A line that names it with something that is no address is told apart, for an operator may have meant it.
 */
export function addressesInFile(path: string, name: string): AddressFileAnswer {
  let text: string;
  try {
    text = readFileSync(path, 'latin1').toLowerCase();
  } catch (error) {
    const unreadable = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    return { addresses: [], wrongLine: undefined, unreadable };
  }
  const addresses = new Set<string>();
  let wrongLine: string | undefined;
  // Lists against advertisers have a hundred thousand lines: only where the name stands is a line looked at.
  for (let at = text.indexOf(name); at !== -1; ) {
    const start = text.lastIndexOf('\n', at) + 1;
    const newline = text.indexOf('\n', at);
    const end = newline === -1 ? text.length : newline;
    const [line = ''] = text.slice(start, end).split('#');
    const [given = '', ...names] = line.trim().split(/\s+/);
    const address = ipAddress(given);
    if (names.includes(name)) {
      if (address !== undefined) addresses.add(address);
      else wrongLine ??= `line ${text.slice(0, start).split('\n').length}: '${given}' is no address`;
    }
    at = text.indexOf(name, end);
  }
  return { addresses: [...addresses], wrongLine, unreadable: undefined };
}

export interface AddressFileAnswer {
  readonly addresses: readonly string[];
  /** `line 3: '10.0.0' is no address`. */
  readonly wrongLine: string | undefined;
  /** Why the file cannot be read, as the system's code: `ENOENT`. */
  readonly unreadable: string | undefined;
}
