import type { Clock, Timers } from '../../io/io.ts';
import { addressWithPort, isLoopback } from '../../io/ip-address.ts';
import { type Connection, type Network, NetworkFailure, type TlsMaterial } from '../../io/network.ts';
import { type Frame, type Hello, type Identity, PROTOCOL_VERSION, type Refused, type Welcome } from '../wire/frames.ts';
import { FRAME_BYTES_MAX_BEFORE_WELCOME } from '../wire/limits.ts';
import type { MalformedBytes } from '../wire/malformed-bytes.ts';
import { connectFailure, reasonOfRefusal } from './connect-failure.ts';
import { FrameConnection } from './frame-connection.ts';
import { FramedLink } from './framed-link.ts';
import { HANDSHAKE_TIMEOUT_MS } from './limits.ts';
import type { Link } from './link.ts';
import { LinkFailure } from './link-failure.ts';
import { isNamed, isSameMachine } from './machine-names.ts';

/**
 * Dials one address and makes sure that the machine wanted is there (G-T8).
 *
 *     leave to dial ──▶ connect (and TLS) ──▶ HELLO ──▶ WELCOME ──▶ who answered? ──▶ link
 *
 * Nothing but HELLO is sent before the last check. A failure at any arrow closes the connection.
 *
 * @throws {LinkFailure} with the reason and a sentence that names the name and the address
 */
export async function openLink(options: OpenLinkOptions): Promise<Link> {
  checkLeave(options);
  const connection = await connect(options);
  options.connected?.(connection);
  const frames = new FrameConnection(connection, options.timers, LIMITS);
  try {
    const welcome = await new Greeting(frames, options).welcome;
    checkWelcome(welcome, connection, options);
    return new FramedLink({
      role: 'dialer',
      peer: welcome.identity,
      frames,
      clock: options.clock,
      timers: options.timers,
      bodyBytesMax: options.self.bodyBytesMax,
    });
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

export interface OpenLinkOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly self: Self;
  /** The machine that must answer. */
  readonly machine: string;
  /** What was resolved to `address`; for texts. */
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly purpose: Hello['purpose'];
  /** Undefined: this machine has no certificate and talks in plain text, where it may. */
  readonly tls: TlsMaterial | undefined;
  /** Leave to talk in plain text beyond loopback. */
  readonly allowPlaintext: boolean;
  readonly connectTimeoutMs: number;
  /** Gives up at once; the reason is then SHUTDOWN. */
  readonly signal?: AbortSignal | undefined;
  /** Told when the connection stands (with TLS: proved) and HELLO leaves. */
  readonly connected?: ((connection: Connection) => void) | undefined;
}

/** Who this machine says it is; the time is added when it says so. */
export type Self = Omit<Identity, 'wallMs'>;

const LIMITS = {
  accepts: new Set(['welcome', 'refused'] as const),
  controlBytesMax: FRAME_BYTES_MAX_BEFORE_WELCOME,
  dataBytesMax: 0,
};

function checkLeave({ tls, allowPlaintext, address, port, name }: OpenLinkOptions): void {
  if (tls !== undefined || allowPlaintext || isLoopback(address)) return;
  throw new LinkFailure(
    'PLAINTEXT_NOT_ALLOWED',
    `${name} (${addressWithPort(address, port)}) was not dialled: this machine has no certificate, and plain text beyond loopback is not allowed.`,
  );
}

async function connect(options: OpenLinkOptions): Promise<Connection> {
  const { network, address, port, tls, signal, name } = options;
  try {
    return await network.connect({ address, port, timeoutMs: options.connectTimeoutMs, tls, signal });
  } catch (error) {
    if (error instanceof NetworkFailure) throw connectFailure(name, error);
    throw error;
  }
}

/** HELLO and what comes back; settles once. */
class Greeting {
  readonly welcome: Promise<Welcome>;
  readonly #frames: FrameConnection;
  readonly #options: OpenLinkOptions;
  readonly #place: string;

  constructor(frames: FrameConnection, options: OpenLinkOptions) {
    this.#frames = frames;
    this.#options = options;
    this.#place = placeOf(options);
    this.welcome = this.#greet();
  }

  #greet(): Promise<Welcome> {
    const { timers, signal } = this.#options;
    return new Promise<Welcome>((resolve, reject) => {
      const abort = (): void => reject(new LinkFailure('SHUTDOWN', `The dialling of ${this.#place} was given up.`));
      const deadline = timers.after(HANDSHAKE_TIMEOUT_MS, () => reject(this.#tooLate()));
      signal?.addEventListener('abort', abort, { once: true });
      const settle = (settled: () => void): void => {
        deadline.cancel();
        signal?.removeEventListener('abort', abort);
        // What follows WELCOME is for the link: it is not read before somebody listens there.
        this.#frames.handlers = undefined;
        settled();
      };
      this.#frames.handlers = {
        heard: () => undefined,
        drained: () => undefined,
        frame: (frame) => settle(() => this.#answered(frame, resolve, reject)),
        malformed: (error) => settle(() => reject(this.#notPosthorn(error))),
        closed: (failure) => settle(() => reject(this.#closed(failure))),
      };
      if (signal?.aborted === true) abort();
      else this.#sendHello();
    });
  }

  #sendHello(): void {
    const { clock, machine, purpose, self } = this.#options;
    this.#frames.send({
      type: 'hello',
      protocolMin: PROTOCOL_VERSION,
      protocolMax: PROTOCOL_VERSION,
      purpose,
      wanted: machine,
      identity: { ...self, wallMs: clock.wallNowMs() },
    });
  }

  #answered(frame: Frame, resolve: (welcome: Welcome) => void, reject: (failure: LinkFailure) => void): void {
    if (frame.type === 'welcome') resolve(frame);
    else if (frame.type === 'refused') reject(this.#refused(frame));
  }

  #refused(refused: Refused): LinkFailure {
    const machine = refused.machine ?? this.#frames.connection.certificateNames[0];
    return new LinkFailure(reasonOfRefusal(refused.code), `${this.#place} refused this machine: ${refused.text}`, {
      claimedMachine: machine,
    });
  }

  #notPosthorn(error: MalformedBytes): LinkFailure {
    const beginning = Buffer.from(this.#frames.firstBytes)
      .toString('latin1')
      .replace(/[^\x20-\x7e]/g, '.');
    return new LinkFailure(
      'NOT_POSTHORN',
      `What answers at ${this.#place} is not Posthorn: it began with '${beginning}' (${error.message}).`,
      { cause: error },
    );
  }

  #closed(failure: NetworkFailure | undefined): LinkFailure {
    if (failure !== undefined) return connectFailure(this.#options.name, failure);
    return new LinkFailure('RESET', `${this.#place} took the connection and closed it without an answer.`);
  }

  #tooLate(): LinkFailure {
    return new LinkFailure(
      'HANDSHAKE_TIMEOUT',
      `${this.#place} took the connection and did not answer HELLO within ${HANDSHAKE_TIMEOUT_MS / 1000} s.`,
    );
  }
}

function checkWelcome(welcome: Welcome, connection: Connection, options: OpenLinkOptions): void {
  const { machine } = options;
  const place = placeOf(options);
  const answered = welcome.identity.machine;
  if (!isSameMachine(answered, machine)) {
    throw new LinkFailure('WRONG_HOST', `${place} answered as '${answered}', wanted is '${machine}'.`, {
      claimedMachine: answered,
    });
  }
  if (connection.isEncrypted && !isNamed(connection.certificateNames, machine)) {
    const names = connection.certificateNames.join(', ');
    throw new LinkFailure(
      'CERTIFICATE_OF_ANOTHER_MACHINE',
      `${place} says it is '${machine}', but its certificate is of '${names}'.`,
      { claimedMachine: names },
    );
  }
  if (welcome.protocol !== PROTOCOL_VERSION) {
    throw new LinkFailure(
      'VERSION',
      `${place} (Posthorn ${welcome.identity.version}) chose protocol ${welcome.protocol}, this machine speaks ${PROTOCOL_VERSION}.`,
      { claimedMachine: answered },
    );
  }
}

function placeOf({ name, address, port }: OpenLinkOptions): string {
  const endpoint = addressWithPort(address, port);
  return name === address ? endpoint : `${name} (${endpoint})`;
}
