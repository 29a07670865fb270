import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { addressWithPort, shownAddress } from './ip-address.ts';
import { type ListenHandlers, NetworkFailure, type TlsMaterial } from './network.ts';
import { handshakeFailure } from './network-failures.ts';
import { NodeConnection, TLS_HANDSHAKE } from './node-connection.ts';
import { nodeIo } from './node-io.ts';
import { PendingHandshakes } from './pending-handshakes.ts';
import { proofOf, secureOptions } from './tls-proof.ts';
import { turnAway } from './turn-away.ts';

/**
 * Where those who connect prove who they are.
 *
 *     taken ──first byte──▶ TLS handshake ──▶ proof ──▶ accept()
 *       └── no TLS, no proof, too late, or too many waiting before it ──▶ refused(), and the other side is told
 *
 * Invariants
 * - Each connection that is taken is answered by exactly one of `accept` and `refused`, within the deadline; by none when
 *   the gate closed meanwhile.
 * - Until its first byte a connection costs no TLS state; how many wait is bounded (`PendingHandshakes`).
 */
export class TlsGate {
  readonly #handlers: ListenHandlers;
  readonly #timeoutMs: number;
  /** Listens nowhere: it is handed the connections. */
  readonly #server: Server;
  readonly #pending = new PendingHandshakes();
  readonly #waiting = new Map<string, Waiting>();
  #isClosed = false;

  /** @throws {NetworkFailure} the material cannot be used */
  constructor(material: TlsMaterial, handlers: ListenHandlers, timeoutMs: number) {
    this.#handlers = handlers;
    this.#timeoutMs = timeoutMs;
    // The proof is judged by `proofOf`, so that whoever is turned away can be told why.
    const judgedHere = { requestCert: true, rejectUnauthorized: false };
    this.#server = createServer({ ...secureOptions(material), ...judgedHere });
    this.#server.on('secureConnection', (socket) => this.#judge(socket));
    this.#server.on('tlsClientError', (error, socket) => this.#handshakeFailed(error, socket));
  }

  /** For connections from now on. Throws as the constructor does; then what was used before stays. */
  replace(material: TlsMaterial): void {
    this.#server.setSecureContext(secureOptions(material));
  }

  take(socket: Socket): void {
    const key = endsOf(socket);
    const remoteAddress = shownAddress(socket.remoteAddress ?? '');
    const place = addressWithPort(remoteAddress, socket.remotePort ?? 0);
    const refuse = (code: 'HANDSHAKE_TIMEOUT' | 'RESET', text: string): void => {
      this.#refuse(waiting, new NetworkFailure(code, `${place} ${text}`));
      socket.destroy();
    };
    const leave = this.#pending.enter(remoteAddress, () =>
      refuse('HANDSHAKE_TIMEOUT', 'was cut off: too many connections of its network waited for TLS to begin.'),
    );
    const deadline = nodeIo().timers.after(this.#timeoutMs, () =>
      refuse('HANDSHAKE_TIMEOUT', `connected, but TLS was not done within ${this.#timeoutMs} ms.`),
    );
    const settle = (): void => {
      leave();
      deadline.cancel();
      this.#waiting.delete(key);
    };
    const waiting: Waiting = { remoteAddress, place, settle, isSettled: false };
    this.#waiting.set(key, waiting);
    socket.on('error', () => undefined);
    socket.once('close', () => refuse('RESET', 'closed the connection before TLS was done.'));
    socket.once('readable', () => this.#begin(socket, waiting));
  }

  close(): void {
    this.#isClosed = true;
    this.#pending.clear();
  }

  #begin(socket: Socket, waiting: Waiting): void {
    const first: unknown = socket.read();
    if (!(first instanceof Uint8Array)) {
      // The other side ended; reading on makes the socket close.
      socket.resume();
    } else if (first[0] === TLS_HANDSHAKE) {
      socket.unshift(first);
      this.#server.emit('connection', socket);
    } else {
      this.#refuse(waiting, new NetworkFailure('NO_TLS', `${waiting.place} speaks no TLS.`));
      turnAway(socket, 'TLS_REQUIRED');
    }
  }

  #judge(socket: TLSSocket): void {
    const waiting = this.#waiting.get(endsOf(socket));
    if (waiting === undefined) return void socket.destroy();
    const proof = proofOf(socket, waiting.place);
    if (proof instanceof NetworkFailure) {
      this.#refuse(waiting, proof);
      turnAway(socket, proof.code);
    } else if (this.#settle(waiting)) this.#handlers.accept(new NodeConnection(socket, proof));
  }

  #handshakeFailed(error: Error, socket: TLSSocket): void {
    const waiting = this.#waiting.get(endsOf(socket));
    if (waiting !== undefined) this.#refuse(waiting, handshakeFailure(error, waiting.place));
    socket.destroy();
  }

  #refuse(waiting: Waiting, failure: NetworkFailure): void {
    const { remoteAddress } = waiting;
    if (this.#settle(waiting) && !this.#isClosed) this.#handlers.refused({ remoteAddress, failure });
  }

  #settle(waiting: Waiting): boolean {
    if (waiting.isSettled) return false;
    waiting.isSettled = true;
    waiting.settle();
    return true;
  }
}

interface Waiting {
  readonly remoteAddress: string;
  readonly place: string;
  readonly settle: () => void;
  isSettled: boolean;
}

/** Names a connection by its two ends, which the socket of TLS shares with the one beneath it. */
function endsOf({ localAddress, remoteAddress, remotePort }: Socket): string {
  return `${localAddress} ${remoteAddress} ${remotePort}`;
}
