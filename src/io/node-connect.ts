import { connect as connectSocket, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import { addressWithPort, shownAddress } from './ip-address.ts';
import { type Connection, type ConnectTarget, NetworkFailure } from './network.ts';
import { connectFailure, handshakeFailure } from './network-failures.ts';
import { NodeConnection } from './node-connection.ts';
import { nodeIo } from './node-io.ts';
import { proofOf, secureContextOf } from './tls-proof.ts';
import { turnAway } from './turn-away.ts';

/**
 * Connects to one address (N1), with TLS also through the handshake and the other side's proof.
 *
 *     TCP ──▶ (TLS handshake ──▶ proof) ──▶ connected
 *
 * One deadline spans all of it; whatever happens first settles the promise, and what did not become a connection is cut.
 */
export function connectByNode(target: ConnectTarget): Promise<Connection> {
  return new Promise((resolve, reject) => new Attempt(target, resolve, reject).start());
}

class Attempt {
  readonly #target: ConnectTarget;
  readonly #place: string;
  readonly #resolve: (connection: Connection) => void;
  readonly #reject: (failure: NetworkFailure) => void;
  #socket: Socket | undefined;
  #isSettled = false;
  /** TCP is; TLS may follow. */
  #isConnected = false;
  #release = (): void => undefined;

  constructor(
    target: ConnectTarget,
    resolve: (connection: Connection) => void,
    reject: (failure: NetworkFailure) => void,
  ) {
    this.#target = target;
    this.#place = addressWithPort(target.address, target.port);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { address, tls, signal } = this.#target;
    if (isIP(address) === 0) this.#fail(new NetworkFailure('OTHER', `'${address}' is no address.`));
    else if (signal?.aborted === true) this.#abort();
    else {
      const secureContext = tls === undefined ? undefined : secureContextOf(tls);
      this.#watch();
      this.#connect(secureContext);
    }
  }

  #watch(): void {
    const abort = (): void => this.#abort();
    this.#target.signal?.addEventListener('abort', abort, { once: true });
    const deadline = nodeIo().timers.after(this.#target.timeoutMs, () => this.#fail(this.#tooLate()), {
      keepsProcessAlive: true,
    });
    this.#release = () => {
      this.#target.signal?.removeEventListener('abort', abort);
      deadline.cancel();
    };
  }

  #connect(secureContext: SecureContext | undefined): void {
    const { address, port } = this.#target;
    const socket = connectSocket({ host: address, port, autoSelectFamily: false, ...SOCKET_OPTIONS });
    this.#socket = socket;
    socket.on('error', (error) => this.#fail(connectFailure(error, this.#place)));
    socket.once('connect', () => {
      if (isConnectedToItself(socket))
        this.#fail(new NetworkFailure('REFUSED', `${this.#place} refused the connection: nothing listens there.`));
      else if (secureContext === undefined) this.#succeed(socket, []);
      else this.#handshake(socket, secureContext);
    });
  }

  #handshake(socket: Socket, secureContext: SecureContext): void {
    // The proof is judged by `proofOf`, so that whoever is turned away can be told why.
    const judgedHere = { rejectUnauthorized: false, checkServerIdentity: () => undefined };
    const secured = connectTls({ socket, secureContext, ...judgedHere });
    this.#socket = secured;
    this.#isConnected = true;
    socket.removeAllListeners('error').on('error', () => undefined);
    secured.on('error', (error) => this.#fail(handshakeFailure(error, this.#place)));
    secured.once('secureConnect', () => {
      const proof = proofOf(secured, this.#place);
      if (proof instanceof NetworkFailure) this.#turnAway(secured, proof);
      else this.#succeed(secured, proof);
    });
  }

  #turnAway(secured: TLSSocket, failure: NetworkFailure): void {
    if (this.#isSettled) return;
    this.#socket = undefined;
    turnAway(secured, failure.code);
    this.#fail(failure);
  }

  #succeed(socket: Socket, certificateNames: readonly string[]): void {
    if (!this.#settle()) return;
    socket.removeAllListeners('error');
    this.#resolve(new NodeConnection(socket, certificateNames));
  }

  #fail(failure: NetworkFailure): void {
    if (!this.#settle()) return;
    this.#socket?.destroy();
    this.#reject(failure);
  }

  #abort(): void {
    this.#fail(new NetworkFailure('ABORTED', `Connecting to ${this.#place} was given up.`));
  }

  #tooLate(): NetworkFailure {
    const { timeoutMs } = this.#target;
    if (!this.#isConnected)
      return new NetworkFailure('TIMEOUT', `${this.#place} did not answer within ${timeoutMs} ms.`);
    return new NetworkFailure(
      'HANDSHAKE_TIMEOUT',
      `${this.#place} took the connection, but TLS was not done within ${timeoutMs} ms.`,
    );
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#release();
    return true;
  }
}

/** The system's own sign of life is a courtesy: what finds dead connections is the heartbeat of the link. */
export const SOCKET_OPTIONS = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 } as const;

/** TCP connects a port of the ephemeral range to itself when nobody listens there and chance picks it as the own port. */
function isConnectedToItself(socket: Socket): boolean {
  const { localAddress = '', localPort, remoteAddress = '', remotePort } = socket;
  return localPort === remotePort && shownAddress(localAddress) === shownAddress(remoteAddress);
}
