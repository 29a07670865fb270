import type { Clock, Timers } from '../../io/io.ts';
import { addressWithPort } from '../../io/ip-address.ts';
import type { Connection, NetworkFailure } from '../../io/network.ts';
import type { RefusedConnection } from '../incoming-status.ts';
import { type Frame, type Hello, PROTOCOL_VERSION, type RefusalCode } from '../wire/frames.ts';
import { FRAME_BYTES_MAX_BEFORE_WELCOME } from '../wire/limits.ts';
import type { MalformedBytes } from '../wire/malformed-bytes.ts';
import { FrameConnection } from './frame-connection.ts';
import { FramedLink } from './framed-link.ts';
import { CLOSE_TIMEOUT_MS, HANDSHAKE_TIMEOUT_MS } from './limits.ts';
import type { Link } from './link.ts';
import { isNamed, isSameMachine } from './machine-names.ts';
import type { Self } from './open-link.ts';

/**
 * Takes a connection: who is it, does it want this machine, may it come in.
 *
 *     mute ──HELLO──▶ checked ──admit()──▶ WELCOME, link
 *       └─ 5 s, nonsense, evicted ─┴── no ──▶ REFUSED, recorded, closed
 *
 * Nothing but HELLO is read before WELCOME. Resolves with undefined when it came to nothing.
 */
export function acceptLink(connection: Connection, options: AcceptLinkOptions): Promise<AcceptedLink | undefined> {
  return new Reception(connection, options).outcome;
}

export interface AcceptLinkOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly self: Self;
  /** Further names under which mail is taken; the dialer is answered with the one it asked for. */
  readonly aliases: readonly string[];
  /** Counts this connection among those whose HELLO is awaited; the answer takes it out. `evict` ends it. */
  readonly enter: (remoteAddress: string, evict: () => void) => () => void;
  /** The last word, after all checks of the HELLO. */
  readonly admit: (hello: Hello) => Promise<Refusal | undefined>;
  readonly refused: (refusal: RefusedConnection) => void;
  /** The listener goes: whoever is not in by now is told so. */
  readonly signal?: AbortSignal | undefined;
}

export interface AcceptedLink {
  readonly link: Link;
  readonly hello: Hello;
}

export interface Refusal {
  readonly code: RefusalCode;
  readonly text: string;
}

const LIMITS = {
  accepts: new Set(['hello'] as const),
  controlBytesMax: FRAME_BYTES_MAX_BEFORE_WELCOME,
  dataBytesMax: 0,
};

class Reception {
  readonly outcome: Promise<AcceptedLink | undefined>;
  readonly #connection: Connection;
  readonly #options: AcceptLinkOptions;
  readonly #frames: FrameConnection;
  readonly #place: string;
  #hello: Hello | undefined;
  #isOver = false;
  #release = (): void => undefined;
  #resolve: (accepted: AcceptedLink | undefined) => void = () => undefined;

  constructor(connection: Connection, options: AcceptLinkOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#place = addressWithPort(connection.remoteAddress, connection.remotePort);
    this.#frames = new FrameConnection(connection, options.timers, LIMITS);
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve;
      this.#await();
    });
  }

  #await(): void {
    const { timers, signal, enter } = this.#options;
    const deadline = timers.after(HANDSHAKE_TIMEOUT_MS, () => this.#tooLate());
    const stop = (): void => this.#refuse('SHUTTING_DOWN', `'${this.#options.self.machine}' is shutting down.`);
    const leave = enter(this.#connection.remoteAddress, () =>
      this.#refuse('TOO_MANY_CONNECTIONS', 'Too many connections wait to say who they are.'),
    );
    signal?.addEventListener('abort', stop, { once: true });
    this.#release = () => {
      deadline.cancel();
      signal?.removeEventListener('abort', stop);
      leave();
    };
    this.#frames.handlers = {
      heard: () => undefined,
      drained: () => undefined,
      frame: (frame) => this.#greeted(frame),
      malformed: (error) => this.#malformed(error),
      closed: (failure) => this.#gone(failure),
    };
    if (signal?.aborted === true) stop();
  }

  #greeted(frame: Frame): void {
    if (frame.type !== 'hello' || this.#isOver || this.#hello !== undefined) return;
    this.#hello = frame;
    this.#release();
    const refusal = this.#judge(frame);
    if (refusal !== undefined) {
      this.#refuse(refusal.code, refusal.text);
      return;
    }
    // Whatever follows is for the link.
    this.#frames.pause();
    this.#options.admit(frame).then(
      (answer) => (answer === undefined ? this.#welcome(frame) : this.#refuse(answer.code, answer.text)),
      (error: unknown) => this.#refuse('SHUTTING_DOWN', `'${this.#options.self.machine}' cannot take it: ${error}.`),
    );
  }

  #judge(hello: Hello): Refusal | undefined {
    const { machine } = this.#options.self;
    const claimed = hello.identity.machine;
    if (hello.protocolMin > PROTOCOL_VERSION || hello.protocolMax < PROTOCOL_VERSION) {
      return {
        code: 'VERSION',
        text: `'${machine}' (Posthorn ${this.#options.self.version}) speaks protocol ${PROTOCOL_VERSION}; '${claimed}' (Posthorn ${hello.identity.version}) speaks ${hello.protocolMin} to ${hello.protocolMax}.`,
      };
    }
    if (this.#connection.isEncrypted && !isNamed(this.#connection.certificateNames, claimed)) {
      const names = this.#connection.certificateNames.join(', ');
      return { code: 'WRONG_CERTIFICATE', text: `It says it is '${claimed}', but its certificate is of '${names}'.` };
    }
    if (this.#nameAskedFor(hello) === undefined) {
      return { code: 'WRONG_HOST', text: `'${claimed}' wants '${hello.wanted}', and this is '${machine}'.` };
    }
    return undefined;
  }

  #nameAskedFor(hello: Hello): string | undefined {
    return [this.#options.self.machine, ...this.#options.aliases].find((name) => isSameMachine(name, hello.wanted));
  }

  #welcome(hello: Hello): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { clock, timers, self } = this.#options;
    const machine = this.#nameAskedFor(hello) ?? self.machine;
    const identity = { ...self, machine, wallMs: clock.wallNowMs() };
    this.#frames.send({ type: 'welcome', protocol: PROTOCOL_VERSION, identity });
    this.#frames.handlers = undefined;
    this.#frames.resume();
    const link = new FramedLink({
      role: 'acceptor',
      peer: hello.identity,
      frames: this.#frames,
      clock,
      timers,
      bodyBytesMax: self.bodyBytesMax,
    });
    this.#resolve({ link, hello });
  }

  #tooLate(): void {
    const heard = this.#frames.firstBytes.byteLength > 0 ? 'no whole HELLO' : 'nothing';
    this.#refuse('HANDSHAKE_TIMEOUT', `It connected and said ${heard} within ${HANDSHAKE_TIMEOUT_MS / 1000} s.`);
  }

  #malformed(error: MalformedBytes): void {
    const beginning = Buffer.from(this.#frames.firstBytes)
      .toString('latin1')
      .replace(/[^\x20-\x7e]/g, '.');
    this.#refuse('MALFORMED', `It does not speak this protocol: it began with '${beginning}' (${error.message}).`);
  }

  #refuse(code: RefusalCode, text: string): void {
    if (this.#isOver) return;
    this.#record(code, text);
    this.#frames.send({ type: 'refused', code, text, machine: this.#options.self.machine });
    const deadline = this.#options.timers.after(CLOSE_TIMEOUT_MS, () => this.#frames.destroy());
    this.#frames.handlers = { ...NOTHING, closed: () => deadline.cancel() };
    this.#frames.resume();
    this.#frames.end();
  }

  /** The other side went away by itself; only what TLS or a broken line says is worth a record. */
  #gone(failure: NetworkFailure | undefined): void {
    if (this.#isOver) return;
    if (failure !== undefined && failure.code !== 'RESET') this.#record(failure.code, failure.message);
    this.#isOver = true;
    this.#release();
    this.#resolve(undefined);
  }

  #record(code: string, text: string): void {
    this.#isOver = true;
    this.#release();
    this.#options.refused({
      atMs: this.#options.clock.wallNowMs(),
      remoteAddress: this.#connection.remoteAddress,
      claimedMachine: this.#hello?.identity.machine ?? this.#connection.certificateNames[0],
      code,
      text: `${this.#place}: ${text}`,
    });
    this.#resolve(undefined);
  }
}

const NOTHING = {
  heard: () => undefined,
  frame: () => undefined,
  drained: () => undefined,
  malformed: () => undefined,
};
