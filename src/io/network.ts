import type { LocalSocket, SocketHandlers } from './local-socket.ts';

/**
 * Doors to other machines: connections, listeners, names. `node-network.ts` and `node-names.ts` are the real ones; the
 * simulator brings its own.
 *
 * Obligations
 * N1  `connect` goes to exactly one address, settles within `timeoutMs`, and rejects with a `NetworkFailure`.
 * N2  Nothing here remembers an address or a name: what `resolve` answers is looked up for that call.
 * N3  A name that nobody answers for holds up nothing but its own promise: no thread that the disk needs waits for it.
 * N4  With `tls`, a connection exists only after both sides have proved a certificate of the authorities; whose it is,
 *     the caller compares with the machine name it expects (`certificateNames`).
 */
export interface Network {
  connect(target: ConnectTarget): Promise<Connection>;
  /** Rejects with a `NetworkFailure` (EADDRINUSE, EADDRNOTAVAIL, …). */
  listen(target: ListenTarget, handlers: ListenHandlers): Promise<NetworkListener>;
  /** Addresses of this machine's interfaces at this moment, loopback included, in no order. */
  interfaceAddresses(): readonly string[];
}

export interface ConnectTarget {
  /** An IP address, never a name. */
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly tls?: TlsMaterial | undefined;
  /** Gives up at once when aborted; rejects with code ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

export interface ListenTarget {
  /** An IP address; `::` takes every interface, also those that come later. */
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls?: TlsMaterial | undefined;
}

export interface ListenHandlers {
  accept(connection: Connection): void;
  /** A connection that came to nothing before `accept`: no TLS, no certificate, an expired one, … */
  refused(refusal: { readonly remoteAddress: string; readonly failure: NetworkFailure }): void;
  /** The listener is broken and takes nothing more; it is to be closed and made again. */
  failed(failure: NetworkFailure): void;
}

export interface NetworkListener {
  readonly address: string;
  /** The one in use, also when 0 was asked for. */
  readonly port: number;
  /** For connections from now on. */
  replaceTls(material: TlsMaterial): void;
  /** Takes no more connections; those that were accepted stay. */
  close(): Promise<void>;
}

/** PEM texts. */
export interface TlsMaterial {
  readonly key: string;
  readonly certificate: string;
  readonly authorities: string;
}

/** One end of a connection to another machine. */
export interface Connection extends LocalSocket {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly isEncrypted: boolean;
  /** Names in the certificate that the other side proved (DNS names of it, else its common name); empty without TLS. */
  readonly certificateNames: readonly string[];
  listen(handlers: ConnectionHandlers): void;
}

export interface ConnectionHandlers extends SocketHandlers {
  /** Once, after the last bytes; `failure` is why, absent when the other side ended in order or this side closed. */
  onClosed(failure?: NetworkFailure): void;
}

/** A value, not an error of the house: peers turn it into a reason code with its words (transfer/reasons.ts). */
export class NetworkFailure extends Error {
  override readonly name = 'NetworkFailure';
  readonly code: NetworkFailureCode;
  /** Of the system or of TLS, for the log: `ECONNREFUSED`, `CERT_HAS_EXPIRED`, … */
  readonly systemCode: string | undefined;

  constructor(code: NetworkFailureCode, text: string, systemCode?: string, options?: ErrorOptions) {
    super(text, options);
    this.code = code;
    this.systemCode = systemCode;
  }
}

export type NetworkFailureCode =
  /** Nothing listens there (RST). */
  | 'REFUSED'
  /** Silence until the deadline: a firewall, or a machine that is off. */
  | 'TIMEOUT'
  /** It was connected, and TLS was not done until the deadline. */
  | 'HANDSHAKE_TIMEOUT'
  /** No route, network down, host unreachable. */
  | 'UNREACHABLE'
  /** The connection broke. */
  | 'RESET'
  /** The other side speaks no TLS. */
  | 'NO_TLS'
  /** The other side speaks TLS only, and this one began without. */
  | 'TLS_REQUIRED'
  /** The other side's certificate is of an unknown authority. */
  | 'CERTIFICATE_UNTRUSTED'
  | 'CERTIFICATE_EXPIRED'
  | 'CERTIFICATE_NOT_YET_VALID'
  /** The other side wanted a certificate and got none, or refused ours. */
  | 'CERTIFICATE_REFUSED'
  /** The other side showed none. */
  | 'CERTIFICATE_MISSING'
  /** Any other failure of TLS. */
  | 'TLS_FAILED'
  /** Listening: the port is taken, the address is not this machine's, the port may not be used. */
  | 'ADDRESS_IN_USE'
  | 'ADDRESS_NOT_AVAILABLE'
  | 'PERMISSION'
  /** No more descriptors (EMFILE, ENFILE). */
  | 'OUT_OF_DESCRIPTORS'
  | 'ABORTED'
  | 'OTHER';

export interface Names {
  /**
   * All addresses of a name as of now, never empty.
   *
   * @throws {NameFailure} nobody knows the name, or nobody answered in time
   */
  resolve(name: string, timeoutMs: number): Promise<NameAnswer>;
}

export interface NameAnswer {
  readonly addresses: readonly string[];
  /** Who said so, for operators: `hosts file`, `DNS 10.0.0.2`, `names file PATH`, `it is an address`. */
  readonly source: string;
}

export class NameFailure extends Error {
  override readonly name = 'NameFailure';
  readonly code: 'NOT_FOUND' | 'SERVER_FAILED' | 'TIMEOUT';

  constructor(code: NameFailure['code'], text: string, options?: ErrorOptions) {
    super(text, options);
    this.code = code;
  }
}
