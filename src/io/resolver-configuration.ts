import { readFileSync } from 'node:fs';
import { ipAddress } from './ip-address.ts';

/** What resolv.conf(5) says, as of now: whom to ask, and what to append to names that are not whole. */
export function readResolverConfiguration(path: string): ResolverConfiguration {
  const servers: string[] = [];
  let search: readonly string[] = [];
  let dotsMin = 1;
  for (const line of linesOf(path)) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    const [first = ''] = values;
    if (keyword === 'nameserver' && servers.length < SERVERS_MAX && isServer(first)) servers.push(first);
    // Of `search` and `domain`, the last one counts.
    else if (keyword === 'search') search = values;
    else if (keyword === 'domain') search = [first];
    else if (keyword === 'options') dotsMin = dotsIn(values) ?? dotsMin;
  }
  return { servers: servers.length > 0 ? servers : ['127.0.0.1'], search: search.map(withoutDot), dotsMin };
}

export interface ResolverConfiguration {
  /** In the order in which they are asked: `10.0.0.2`, `127.0.0.1:5353`, `[::1]:5353`. */
  readonly servers: readonly string[];
  readonly search: readonly string[];
  /** `ndots`: with so many dots in it, a name is tried as it is before it is tried with what `search` says. */
  readonly dotsMin: number;
}

/** The names to ask for, in order: as it stands and with each of the search domains; one that ends in a dot is whole. */
export function candidatesOf(name: string, { search, dotsMin }: ResolverConfiguration): readonly string[] {
  if (name.endsWith('.')) return [withoutDot(name)];
  const appended = search.filter((domain) => domain !== '').map((domain) => `${name}.${domain}`);
  const dots = name.split('.').length - 1;
  return dots >= dotsMin ? [name, ...appended] : [...appended, name];
}

const SERVERS_MAX = 3;
const DOTS_MAX = 15;

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    // Without the file, the rule is a server on this machine (resolv.conf(5)); the answer names it.
    return [];
  }
}

function isServer(text: string): boolean {
  const [, inBrackets, before] = /^(?:\[([^\]]+)\]|([\d.]+)):\d+$/.exec(text) ?? [];
  return ipAddress(inBrackets ?? before ?? text) !== undefined;
}

function dotsIn(options: readonly string[]): number | undefined {
  const value = options.map((option) => /^ndots:(\d+)$/.exec(option)?.[1]).findLast((found) => found !== undefined);
  return value === undefined ? undefined : Math.min(Number(value), DOTS_MAX);
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, '').toLowerCase();
}
