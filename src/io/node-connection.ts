import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { addressWithPort, shownAddress } from './ip-address.ts';
import { type Connection, type ConnectionHandlers, NetworkFailure } from './network.ts';
import { brokenFailure } from './network-failures.ts';
import { readRefusalNotice, refusalNotice } from './refusal-notice.ts';
import { SocketEnd } from './socket-end.ts';

/**
 * A connection of the network door.
 *
 *     checking the first bytes ──▶ passing on ──▶ closed
 *
 * The first bytes may be a notice that the other door takes nobody in, or belong to TLS where none was agreed on: then the
 * connection closes with that as its failure, and the holder gets no byte of it. That costs one look at one byte.
 */
export class NodeConnection extends SocketEnd implements Connection {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly isEncrypted: boolean;
  readonly certificateNames: readonly string[];
  #failure: NetworkFailure | undefined;
  #isClosedHere = false;
  /** First bytes that may still become a notice; undefined once it is known what they are. */
  #first: Uint8Array | undefined = new Uint8Array(0);

  constructor(socket: Socket, certificateNames: readonly string[]) {
    super(socket);
    this.localAddress = shownAddress(socket.localAddress ?? '');
    this.remoteAddress = shownAddress(socket.remoteAddress ?? '');
    this.remotePort = socket.remotePort ?? 0;
    this.isEncrypted = socket instanceof TLSSocket;
    this.certificateNames = certificateNames;
    socket.on('error', (error) => {
      if (!this.#isClosedHere) this.#failure ??= brokenFailure(error, this.#place);
    });
  }

  listen(handlers: ConnectionHandlers): void {
    this.socket.on('data', (bytes) => {
      const passed = this.#first === undefined ? bytes : this.#check(this.#first, bytes);
      if (passed !== undefined) handlers.onBytes(passed);
    });
    this.socket.on('drain', () => handlers.onDrained?.());
    const close = (): void => {
      // What was held back and is no notice, the other side said before it ended.
      if (this.#first !== undefined && this.#first.byteLength > 0 && this.#failure === undefined)
        handlers.onBytes(this.#first);
      handlers.onClosed(this.#failure);
    };
    if (this.socket.closed) queueMicrotask(close);
    else this.socket.once('close', close);
  }

  override end(): void {
    this.#isClosedHere = true;
    super.end();
  }

  override destroy(): void {
    this.#isClosedHere = true;
    super.destroy();
  }

  get #place(): string {
    return addressWithPort(this.remoteAddress, this.remotePort);
  }

  /** What of the first bytes goes to the holder; undefined while that is open, and when nothing does. */
  #check(before: Uint8Array, arrived: Uint8Array): Uint8Array | undefined {
    const bytes = before.byteLength === 0 ? arrived : Buffer.concat([before, arrived]);
    const notice = this.#foreignTls(bytes) ?? readRefusalNotice(bytes, this.#place);
    this.#first = notice === 'incomplete' ? bytes : undefined;
    if (notice === undefined) return bytes;
    if (notice === 'incomplete') return undefined;
    this.#failure ??= notice;
    if (notice.code === 'TLS_FAILED') this.socket.write(refusalNotice('NO_TLS'));
    this.socket.destroySoon();
    return undefined;
  }

  /** A record of TLS on a connection without: as the length of a frame it would be over 350 MB. */
  #foreignTls(bytes: Uint8Array): NetworkFailure | undefined {
    if (this.isEncrypted) return undefined;
    if (bytes[0] === TLS_HANDSHAKE)
      return new NetworkFailure('TLS_FAILED', `${this.#place} began with TLS, and this machine listens without.`);
    if (bytes[0] === TLS_ALERT) return new NetworkFailure('TLS_REQUIRED', `${this.#place} speaks TLS only.`);
    return undefined;
  }
}

/** First byte of a record (RFC 8446, 5.1). */
export const TLS_HANDSHAKE = 22;
const TLS_ALERT = 21;
