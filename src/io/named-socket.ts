import { type LookupFunction, Socket, type SocketConnectOpts, type TcpSocketConnectOpts } from 'node:net';
import type { Timer } from './io.ts';
import { shownAddress } from './ip-address.ts';
import { type Names, NetworkFailure } from './network.ts';
import { nodeIo } from './node-io.ts';
import { nodeNames } from './node-names.ts';

/**
 * A socket for drivers that want to connect one themselves (`pg`) or get one that is connecting (`mysql2`): made for one
 * connection, which
 *
 * - resolves its name afresh through our own resolver, so that a mute name server takes no thread that the disk needs (N3);
 * - tries all addresses of the name one after another, each for a share of the time;
 * - is connected within `connectTimeoutMs` or fails;
 * - has keep-alive on, and does not wait to fill packets.
 *
 * What goes wrong comes as the event `error`: of the system as it is, else a NetworkFailure or a NameFailure.
 */
export class NamedSocket extends Socket {
  readonly #options: NamedSocketOptions;
  #deadline: Timer | undefined;

  constructor(options: NamedSocketOptions = {}) {
    super();
    this.#options = options;
    this.once('connect', () => this.#connected());
    this.once('close', () => this.#deadline?.cancel());
  }

  /** As `net.Socket` has it, for a port and a host, or for the path of a Unix socket. */
  override connect(...given: readonly unknown[]): this {
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS } = this.#options;
    const target = targetOf(given);
    this.#deadline = nodeIo().timers.after(connectTimeoutMs, () => this.#tooLate(target, connectTimeoutMs), {
      keepsProcessAlive: true,
    });
    if ('path' in target) return super.connect(target);
    return super.connect({
      ...target,
      lookup: lookupBy(this.#options.names ?? nodeNames(), connectTimeoutMs),
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: Math.ceil(connectTimeoutMs / ADDRESSES_TRIED),
    });
  }

  #connected(): void {
    this.#deadline?.cancel();
    if (isConnectedToItself(this)) return void this.destroy(new NetworkFailure('REFUSED', 'Nothing listens there.'));
    this.setNoDelay(true);
    this.setKeepAlive(true, KEEP_ALIVE_AFTER_MS);
  }

  #tooLate(target: SocketConnectOpts, connectTimeoutMs: number): void {
    const where = 'path' in target ? target.path : `${target.host}, port ${target.port}`;
    this.destroy(new NetworkFailure('TIMEOUT', `${where} did not answer within ${connectTimeoutMs} ms.`));
  }
}

export interface NamedSocketOptions {
  readonly connectTimeoutMs?: number;
  /** Default: files and name servers of this machine. */
  readonly names?: Names;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** The time is shared among so many addresses of a name; the last one that is tried may take what is left. */
const ADDRESSES_TRIED = 4;
const KEEP_ALIVE_AFTER_MS = 30_000;

type Target = TcpSocketConnectOpts | { readonly path: string };

function targetOf([first, second]: readonly unknown[]): Target {
  if (typeof first === 'string' && second === undefined) return { path: first };
  if (typeof first === 'object' && first !== null) return first as Target;
  // Drivers pass on the brackets that an IPv6 address has in a URL.
  const host = typeof second === 'string' ? second.replace(/^\[(.*)\]$/, '$1') : 'localhost';
  return { port: Number(first), host };
}

/** `node:net` asks so for a host that is no address. */
function lookupBy(names: Names, timeoutMs: number): LookupFunction {
  return (hostname, options, callback) => {
    names.resolve(hostname, timeoutMs).then(
      ({ addresses }) => {
        const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
        if (options.all === true) callback(null, found);
        else callback(null, found[0]?.address ?? '', found[0]?.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, ''),
    );
  };
}

/** TCP connects a port of the ephemeral range to itself when nobody listens there and chance picks it as the own port. */
function isConnectedToItself(socket: Socket): boolean {
  const { localAddress = '', localPort, remoteAddress = '', remotePort } = socket;
  return (
    remotePort !== undefined && localPort === remotePort && shownAddress(localAddress) === shownAddress(remoteAddress)
  );
}
