import { addressesInFile } from './address-file.ts';
import { askDns } from './ask-dns.ts';
import { ipAddress } from './ip-address.ts';
import { NameFailure, type Names } from './network.ts';
import { readResolverConfiguration } from './resolver-configuration.ts';

/**
 * The real door to names. For each call, in this order, the first that knows the name answers:
 *
 *     an address as it is ▸ names file ▸ hosts file ▸ localhost ▸ DNS
 *
 * Files are read and resolvers made for that call alone (N2), so that a changed file or name server counts at once. DNS is
 * asked over sockets of our own (c-ares), never through the system's resolver, which would occupy the threads that files
 * need for as long as a name server is mute (N3). The files are read on the spot for the same reason: a read that waits for
 * such a thread would wait for other people's name servers. They are small, and belong on a local disk.
 */
export function nodeNames(options: NodeNamesOptions = {}): Names {
  const { namesFile, hostsFile = '/etc/hosts', resolvConf = '/etc/resolv.conf' } = options;
  return {
    async resolve(name, timeoutMs) {
      const address = ipAddress(name);
      if (address !== undefined) return { addresses: [address], source: 'it is an address' };
      const wanted = name.toLowerCase().replace(/\.$/, '');
      if (wanted === '') throw new NameFailure('NOT_FOUND', 'The name is empty.');
      const named = namesFile === undefined ? NOTHING : addressesInFile(namesFile, wanted);
      if (named.wrongLine !== undefined)
        throw new NameFailure('SERVER_FAILED', `The names file ${namesFile} is wrong in ${named.wrongLine}.`);
      if (named.addresses.length > 0) return { addresses: named.addresses, source: `names file ${namesFile}` };
      const hosts = addressesInFile(hostsFile, wanted);
      if (hosts.addresses.length > 0) return { addresses: hosts.addresses, source: 'hosts file' };
      if (isLoopbackName(wanted)) return { addresses: ['127.0.0.1', '::1'], source: 'localhost is loopback' };
      try {
        return await askDns(name.toLowerCase(), readResolverConfiguration(resolvConf), timeoutMs);
      } catch (error) {
        throw withUnreadFile(error, namesFile, named.unreadable);
      }
    },
  };
}

export interface NodeNamesOptions {
  /** `address name…` a line, asked before everything else. */
  readonly namesFile?: string | undefined;
  readonly hostsFile?: string;
  /** Servers may stand there with a port: `nameserver 127.0.0.1:5353`. */
  readonly resolvConf?: string;
}

const NOTHING = { addresses: [], wrongLine: undefined, unreadable: undefined } as const;

/** RFC 6761, 6.3. */
function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

/** A names file that could not be read may have known the name: then nobody can say that it does not exist. */
function withUnreadFile(error: unknown, namesFile: string | undefined, unreadable: string | undefined): unknown {
  if (!(error instanceof NameFailure) || unreadable === undefined) return error;
  const code = error.code === 'NOT_FOUND' ? 'SERVER_FAILED' : error.code;
  const text = `${error.message} The names file ${namesFile}, which may know it, cannot be read (${unreadable}).`;
  return new NameFailure(code, text, { cause: error });
}
