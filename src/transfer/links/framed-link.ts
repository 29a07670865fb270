import type { Clock, Timer, Timers } from '../../io/io.ts';
import { addressWithPort } from '../../io/ip-address.ts';
import type { NetworkFailure } from '../../io/network.ts';
import { type FrameType, typesSentBy } from '../wire/frame-types.ts';
import type { Closing, Frame, Identity, Ping, Pong } from '../wire/frames.ts';
import { CONTROL_FRAME_BYTES_MAX, dataFrameBytesMax } from '../wire/limits.ts';
import type { FrameConnection } from './frame-connection.ts';
import { Heartbeat } from './heartbeat.ts';
import { CLOSE_TIMEOUT_MS, LINK_WRITE_BYTES_MAX, PONG_BACKLOG_BYTES_MAX } from './limits.ts';
import type { Link, LinkEnd, LinkHandlers } from './link.ts';
import { LinkFailure } from './link-failure.ts';

/**
 * A link on a connection whose handshake is over.
 *
 *     made ──listen()──▶ open ──close() | CLOSING came | malformed | silent | broken──▶ ending ──socket closed | 1 s──▶ closed
 *
 * - `isOpen` is false from `ending` on: nothing is sent or given out any more, but what was queued still goes out, unless
 *   the peer is silent or broken. `closed` is told when the socket is.
 * - The first end that is known is the one that is told.
 * - PING is answered here, whatever the owner of the link does. While much is on the way, only the latest is, once that went
 *   out; so a peer that asks and does not read costs nothing, and one that makes 64 MiB wait is given up.
 * - Silence, and why a pause or a slow line is not death: heartbeat.ts.
 */
export class FramedLink implements Link {
  readonly role: 'dialer' | 'acceptor';
  readonly peer: Identity;
  readonly sinceMs: number;
  readonly #frames: FrameConnection;
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #heartbeat: Heartbeat;
  #handlers: LinkHandlers | undefined;
  #heardMs: number;
  #end: LinkEnd | undefined;
  #isClosed = false;
  #closeTimer: Timer | undefined;
  #pingId = 0;
  readonly #pings = new Map<number, WaitingPing>();
  #pongOwed: number | undefined;

  constructor(options: FramedLinkOptions) {
    this.role = options.role;
    this.peer = options.peer;
    this.#frames = options.frames;
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.sinceMs = options.clock.monotonicNowMs();
    this.#heardMs = this.sinceMs;
    this.#frames.limits = {
      accepts: FRAMES_TAKEN[this.role],
      controlBytesMax: CONTROL_FRAME_BYTES_MAX,
      dataBytesMax: this.role === 'acceptor' ? dataFrameBytesMax(options.bodyBytesMax) : 0,
    };
    this.#heartbeat = new Heartbeat({
      clock: options.clock,
      timers: options.timers,
      actions: {
        ask: () => this.#sendPing(),
        speak: () => this.#sendPong(NOBODY_ASKED),
        silent: () => this.#handlers?.silent(),
        dead: (quietMs) => this.#dead(quietMs),
      },
    });
  }

  get localAddress(): string {
    return this.#frames.connection.localAddress;
  }

  get remoteAddress(): string {
    return this.#frames.connection.remoteAddress;
  }

  get remotePort(): number {
    return this.#frames.connection.remotePort;
  }

  get isEncrypted(): boolean {
    return this.#frames.connection.isEncrypted;
  }

  get isOpen(): boolean {
    return this.#end === undefined;
  }

  get heardMs(): number {
    return this.#heardMs;
  }

  get waitingBytes(): number {
    return this.#frames.waitingBytes;
  }

  get expectsAnswers(): boolean {
    return this.#heartbeat.isExpecting;
  }

  set expectsAnswers(isExpecting: boolean) {
    this.#heartbeat.isExpecting = isExpecting;
  }

  listen(handlers: LinkHandlers): void {
    this.#handlers = handlers;
    this.#frames.handlers = {
      heard: () => this.#heard(),
      frame: (frame) => this.#frame(frame),
      drained: () => this.#drained(),
      malformed: (error) => this.close('MALFORMED', `${this.#peerText} sent what is no frame: ${error.message}.`),
      closed: (failure) => this.#connectionClosed(failure),
    };
  }

  send(frame: Frame): void {
    if (!this.isOpen) return;
    this.#frames.send(frame);
    this.#heartbeat.spoke();
    if (this.waitingBytes <= LINK_WRITE_BYTES_MAX) return;
    this.#abandon('PEER_SILENT', `${this.#peerText} takes nothing: ${this.waitingBytes} bytes wait for it.`);
  }

  pauseReading(): void {
    if (!this.isOpen) return;
    this.#frames.pause();
    this.#heartbeat.isHeld = true;
  }

  resumeReading(): void {
    if (!this.isOpen) return;
    this.#heartbeat.isHeld = false;
    this.#frames.resume();
  }

  ping(): Promise<{ readonly roundTripMs: number; readonly wallMs: number }> {
    if (!this.isOpen) return Promise.reject(this.#pingFailure());
    const sentMs = this.#clock.monotonicNowMs();
    return new Promise((resolve, reject) => this.#pings.set(this.#sendPing(), { sentMs, resolve, reject }));
  }

  close(code: LinkEnd['code'], text: string): void {
    if (!this.isOpen) return;
    const said = CLOSING_CODES[code];
    if (said === undefined) {
      this.#abandon(code, text);
      return;
    }
    this.#frames.send({ type: 'closing', code: said, text });
    this.#beginEnd({ code, text, isOurs: true });
  }

  get #peerText(): string {
    return `${this.peer.machine} (${addressWithPort(this.remoteAddress, this.remotePort)})`;
  }

  #heard(): void {
    if (!this.isOpen) return;
    this.#heardMs = this.#clock.monotonicNowMs();
    this.#heartbeat.heard(this.#heardMs, this.#frames.isWithinFrame);
  }

  #frame(frame: Frame): void {
    if (!this.isOpen) return;
    switch (frame.type) {
      case 'ping':
        this.#answer(frame);
        break;
      case 'pong':
        this.#answered(frame);
        break;
      case 'closing':
        this.#beginEnd({ code: frame.code, text: frame.text, isOurs: false });
        break;
      default:
        this.#handlers?.frame(frame);
    }
  }

  #drained(): void {
    if (!this.isOpen) return;
    if (this.#pongOwed !== undefined) this.#sendPong(this.#pongOwed);
    this.#handlers?.drained();
  }

  #sendPing(): number {
    this.#pingId = (this.#pingId % PING_ID_MAX) + 1;
    this.send({ type: 'ping', id: this.#pingId });
    return this.#pingId;
  }

  #answer(ping: Ping): void {
    if (this.waitingBytes > PONG_BACKLOG_BYTES_MAX) this.#pongOwed = ping.id;
    else this.#sendPong(ping.id);
  }

  #sendPong(id: number): void {
    this.#pongOwed = undefined;
    this.send({ type: 'pong', id, wallMs: this.#clock.wallNowMs() });
  }

  #answered(pong: Pong): void {
    const waiting = this.#pings.get(pong.id);
    if (waiting === undefined) return;
    this.#pings.delete(pong.id);
    waiting.resolve({ roundTripMs: this.#clock.monotonicNowMs() - waiting.sentMs, wallMs: pong.wallMs });
  }

  #dead(quietMs: number): void {
    const seconds = (quietMs / 1000).toFixed(1);
    this.#abandon('PEER_SILENT', `Nothing was heard of ${this.#peerText} for ${seconds} s, although it was asked.`);
  }

  /** Ends without a goodbye: it would not arrive. */
  #abandon(code: LinkEnd['code'], text: string): void {
    if (!this.isOpen) return;
    this.#beginEnd({ code, text, isOurs: true });
    this.#frames.destroy();
  }

  #beginEnd(end: LinkEnd): void {
    this.#end = end;
    this.#heartbeat.stop();
    for (const ping of this.#pings.values()) ping.reject(this.#pingFailure());
    this.#pings.clear();
    if (this.#isClosed) return;
    this.#closeTimer = this.#timers.after(CLOSE_TIMEOUT_MS, () => this.#frames.destroy());
    this.#frames.end();
  }

  #connectionClosed(failure: NetworkFailure | undefined): void {
    this.#isClosed = true;
    if (this.#end === undefined) this.#beginEnd(this.#endOfConnection(failure));
    this.#closeTimer?.cancel();
    if (this.#end !== undefined) this.#handlers?.closed(this.#end);
  }

  #endOfConnection(failure: NetworkFailure | undefined): LinkEnd {
    if (failure === undefined) {
      return { code: 'ENDED', text: `${this.#peerText} closed the connection without a word.`, isOurs: false };
    }
    return { code: 'RESET', text: `The link with ${this.#peerText} broke: ${failure.message}`, isOurs: false };
  }

  #pingFailure(): LinkFailure {
    const reason = this.#end?.code === 'PEER_SILENT' ? 'PEER_SILENT' : 'RESET';
    return new LinkFailure(
      reason,
      `No answer of ${this.#peerText}: the link is closed. ${this.#end?.text ?? ''}`.trim(),
    );
  }
}

export interface FramedLinkOptions {
  readonly role: 'dialer' | 'acceptor';
  readonly peer: Identity;
  readonly frames: FrameConnection;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Largest body that this end takes. */
  readonly bodyBytesMax: number;
}

interface WaitingPing {
  readonly sentMs: number;
  resolve(answer: { readonly roundTripMs: number; readonly wallMs: number }): void;
  reject(failure: LinkFailure): void;
}

const FRAMES_TAKEN: { readonly [Role in Link['role']]: ReadonlySet<FrameType> } = {
  dialer: typesSentBy('acceptor'),
  acceptor: typesSentBy('dialer'),
};

/** What the other side is told; undefined: it is not told, because it would not hear. */
const CLOSING_CODES: { readonly [Code in LinkEnd['code']]: Closing['code'] | undefined } = {
  IDLE: 'IDLE',
  SHUTTING_DOWN: 'SHUTTING_DOWN',
  REPLACED: 'REPLACED',
  DONE: 'DONE',
  MALFORMED: 'MALFORMED',
  OPERATOR: 'DONE',
  PEER_SILENT: undefined,
  RESET: undefined,
  ENDED: undefined,
};

/** The id of a PONG that answers no PING. */
const NOBODY_ASKED = 0;
const PING_ID_MAX = 2 ** 32 - 1;
