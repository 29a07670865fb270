import { ipAddress } from '../../io/ip-address.ts';
import type { NameAnswer } from '../../io/network.ts';
import type { OutgoingQueue } from '../../queues/transfer-door.ts';
import type { Link, LinkEnd } from '../links/link.ts';
import type { OutgoingStream } from '../streams/stream.ts';
import { STAGGER_MS } from './address-race.ts';
import { AttemptHistory } from './attempt-history.ts';
import { AttemptRound } from './attempt-round.ts';
import { Backoff, FIRST_MS } from './backoff.ts';
import { type DialFailure, isRefusal } from './dial-failure.ts';
import { HeldLink, type HeldLinkHost } from './held-link.ts';
import { isTroubledEnd, linkEndFailure } from './link-end-failure.ts';
import { NameWatch } from './name-watch.ts';
import { PeerLink } from './peer-link.ts';
import type { PeerOptions } from './peer-options.ts';
import { doingOf, LOOK_EVERY_MS, type PeerState } from './peer-state.ts';
import { describePeerStream, type PeerStatus, type PeerView } from './peer-status.ts';
import { type PeerStream, wantsLink } from './peer-stream.ts';

/**
 * One other machine: when it is dialled, at which addresses, and what stands in the way. It is known by name; every
 * attempt looks the name up.
 *
 *     idle ──a stream wants a link | greeting──▶ trying ──identified──▶ connected ──60 s without work──▶ idle
 *      ▲                                         ▲  │                      │
 *      └───── nobody wants a link any more ──────┤  └─failed─▶ waiting ◀───┘ broken before its time, or again
 *                                                └── its time | woken | the name has another answer
 *
 *     connected: a second round may run beside the link (make before break); when it identifies the machine, the streams
 *     move and the old link closes. When the link breaks meanwhile, that round is the attempt: connected ──▶ trying.
 *
 * Invariants
 * - At most one round is under way, and at most one link carries streams.
 * - Whoever wants a link finds the peer trying, waiting with a time, or connected: nothing is left without a next step.
 * - `waiting` has the failure that made it wait and a time at most 45 s away.
 * - While a link is wanted and none is there, the name is looked up at least every 10 s, whatever the backoff; a changed
 *   answer dials at once. So does every wake-up.
 * - The backoff begins anew when a stream was attached, not when somebody answered: a peer that dies over our ATTACH is not
 *   hammered.
 * - Failures of lookups and of a second round change nothing about a link that works.
 */
export class Peer {
  readonly machine: string;
  readonly #options: PeerOptions;
  readonly #name: string;
  readonly #port: number;
  readonly #streams = new Map<string, PeerStream>();
  readonly #backoff: Backoff;
  readonly #watch: NameWatch;
  readonly #heldLinkHost: HeldLinkHost;
  readonly #history = new AttemptHistory();
  #state: PeerState = { kind: 'idle' };
  /** Since the last success; the backoff counts for itself, because wake-ups reset it. */
  #failures = 0;
  #lastFailure: DialFailure | undefined;
  /** Attempts that are made without work, so that the peer learns where this machine is. */
  #greetings = 0;
  #beganMs = Number.NEGATIVE_INFINITY;
  #isWokenMeanwhile = false;
  #identified: readonly string[] = [];
  #storeId: string | undefined;
  #lastAddress: string | undefined;
  #inbound: { readonly address: string; readonly untilMs: number } | undefined;
  /** The peer let go of a link for another of ours: two addresses of it were identified at once; next time one by one. */
  #isOneByOne = false;

  constructor(machine: string, options: PeerOptions) {
    this.machine = machine;
    this.#options = options;
    const { host, port } = options.settings.machines.get(machine) ?? { host: machine, port: options.settings.port };
    this.#name = host;
    this.#port = port;
    this.#backoff = new Backoff(options.io.random);
    this.#heldLinkHost = {
      machine,
      options,
      isNeeded: () => [...this.#streams.values()].some(({ stream }) => stream.needsLink),
      makeRound: () => this.#round({ isFresh: true }),
    };
    this.#watch = new NameWatch(this.#name, options, (answer, isChanged) => this.#looked(answer, isChanged));
  }

  add(stream: OutgoingStream, queue: OutgoingQueue): void {
    const added: PeerStream = { stream, queue, pauseTimer: undefined };
    this.#streams.set(queue.name, added);
    stream.onChange(() => this.#streamChanged(added));
    this.#streamChanged(added);
  }

  /** @param address - from where the machine has just connected */
  wake(why: WakeReason, options: { readonly address?: string | undefined; readonly greets?: boolean } = {}): void {
    const state = this.#state;
    if (state.kind === 'stopped') return;
    this.#options.logger.debug(`${this.machine} is woken: ${why}`);
    this.#rememberInbound(options.address);
    this.#backoff.reset();
    const hasToBeTold = state.kind !== 'connected' || state.held.isOwnAddressGone;
    if (options.greets === true && hasToBeTold) this.#greetings = GREETINGS;
    if (state.kind === 'connected') state.held.verify();
    else if (state.kind === 'trying') this.#wakeTrying(state.round, why);
    else if (this.#isNeeded) this.#beginSoon();
  }

  /** An operator wants it now. */
  retry(queue: string): void {
    this.wake('operator');
    const stream = this.#streams.get(queue);
    if (stream?.stream.view.state === 'paused') this.#attach(stream);
  }

  describe(queue: string): PeerStatus | undefined {
    const stream = this.#streams.get(queue);
    return stream === undefined ? undefined : describePeerStream(this.#view, stream, this.#nowMs);
  }

  stop(): void {
    const state = this.#state;
    this.#become({ kind: 'stopped' });
    for (const stream of this.#streams.values()) stream.pauseTimer?.cancel();
    if (state.kind === 'connected') state.held.on.link.close('SHUTTING_DOWN', 'The queue manager stops.');
  }

  // Streams

  #streamChanged(stream: PeerStream): void {
    stream.pauseTimer?.cancel();
    stream.pauseTimer = undefined;
    if (this.#state.kind === 'stopped') return;
    const { state, pause } = stream.stream.view;
    if (state === 'attaching' || state === 'attached') return;
    if (wantsLink(stream, this.#nowMs)) this.#attach(stream);
    else if (state === 'paused' && pause !== undefined && stream.stream.needsLink) {
      const leftMs = Math.max(0, pause.untilMs - this.#nowMs);
      stream.pauseTimer = this.#options.io.timers.after(leftMs, () => this.#streamChanged(stream));
    }
  }

  #attach(stream: PeerStream): void {
    const state = this.#state;
    if (state.kind === 'idle') this.#begin();
    else if (state.kind === 'connected' && state.held.on.link.isOpen) state.held.on.attach(stream);
  }

  get #isWanted(): boolean {
    for (const stream of this.#streams.values()) if (wantsLink(stream, this.#nowMs)) return true;
    return false;
  }

  get #isNeeded(): boolean {
    return this.#greetings > 0 || this.#isWanted;
  }

  // Attempts

  #begin(answer?: NameAnswer): void {
    const round = this.#round({ isFresh: this.#failures === 0 });
    this.#beganMs = this.#nowMs;
    this.#isWokenMeanwhile = false;
    this.#become({ kind: 'trying', round });
    round.start(answer);
  }

  /** At once, but no sooner than the backoff's first step after the last: a peer that connects in a loop is not dialled in one. */
  #beginSoon(): void {
    const leftMs = this.#beganMs + FIRST_MS - this.#nowMs;
    if (leftMs <= 0 || this.#lastFailure === undefined) this.#begin();
    else this.#wait(leftMs);
  }

  #round(options: { readonly isFresh: boolean }): AttemptRound {
    const inbound = this.#inbound;
    this.#watch.attemptLooks();
    const round: AttemptRound = new AttemptRound(this.#options, {
      machine: this.machine,
      name: this.#name,
      port: this.#port,
      identifiedBefore: this.#identified,
      inbound: inbound === undefined || inbound.untilMs < this.#nowMs ? [] : [inbound.address],
      knownStoreId: this.#storeId,
      isFresh: options.isFresh,
      staggerMs: this.#isOneByOne ? ONE_BY_ONE_MS : STAGGER_MS,
      answered: (answer) => {
        // A changed answer begins the backoff anew.
        if (this.#watch.note(answer)) this.#backoff.reset();
      },
      record: (record) => {
        this.#lastAddress = record.address ?? this.#lastAddress;
        this.#history.add(record);
      },
      linked: (link, address) => this.#linked(link, address),
      failed: (failure) => this.#roundFailed(round, failure),
    });
    return round;
  }

  #wakeTrying(round: AttemptRound, why: WakeReason): void {
    const address = this.#inbound?.address;
    if (why !== 'inbound connection') this.#begin();
    else {
      this.#isWokenMeanwhile = true;
      if (address !== undefined) round.addInbound(address);
      this.#watch.look();
    }
  }

  #roundFailed(round: AttemptRound, failure: DialFailure): void {
    const state = this.#state;
    if (state.kind === 'connected' && state.held.secondFailed(round)) {
      this.#options.logger.info(`No second way to ${this.machine}: ${failure.text}`);
    } else if (state.kind === 'trying' && state.round === round) this.#failed(failure);
  }

  #failed(failure: DialFailure): void {
    this.#failures++;
    if (this.#lastFailure?.text !== failure.text) {
      this.#options.logger.warn(`${this.machine} is not reached: ${failure.text}`, { reason: failure.reason });
    }
    this.#lastFailure = failure;
    // Of several, not the one that ended last, but the one that the reason speaks of.
    this.#lastAddress = failure.address ?? this.#lastAddress;
    if (this.#greetings > 0) this.#greetings--;
    const delayMs = this.#backoff.nextDelayMs(isRefusal(failure.reason));
    if (!this.#isNeeded) this.#become({ kind: 'idle' });
    else if (this.#isWokenMeanwhile) this.#beginSoon();
    else this.#wait(delayMs);
  }

  #wait(delayMs: number): void {
    const timer = this.#options.io.timers.after(delayMs, () => {
      if (this.#isNeeded) this.#begin();
      else this.#become({ kind: 'idle' });
    });
    this.#become({ kind: 'waiting', untilMs: this.#nowMs + delayMs, timer });
  }

  // Links

  #linked(link: Link, address: string): void {
    const before = this.#state;
    const on = new PeerLink(link, address, this.#options.io);
    this.#identified = [address, ...this.#identified.filter((one) => one !== address)].slice(0, IDENTIFIED_KEPT);
    this.#storeId = link.peer.storeId;
    this.#lastAddress = address;
    this.#greetings = 0;
    this.#become({ kind: 'connected', held: new HeldLink(on, this.#heldLinkHost) });
    this.#options.track(new Promise<void>((resolve) => this.#listen(on, resolve)));
    this.#options.logger.info(`${this.machine} is at ${address}, port ${this.#port}`);
    if (before.kind === 'connected') this.#move(before.held.on, on);
    for (const stream of this.#streams.values()) this.#streamChanged(stream);
  }

  #listen(on: PeerLink, ended: () => void): void {
    on.listen({
      proven: () => this.#proven(),
      silent: () => {
        const state = this.#state;
        if (state.kind === 'connected' && state.held.on === on) state.held.silent();
      },
      closed: (end) => {
        this.#linkClosed(on, end);
        ended();
      },
    });
  }

  /** Make before break: the streams use the new link before the old one closes. */
  #move(from: PeerLink, to: PeerLink): void {
    for (const stream of from.takeStreams()) to.attach(stream);
    from.link.close('REPLACED', `${this.machine} is reached at ${to.address} now.`);
  }

  #proven(): void {
    this.#failures = 0;
    this.#lastFailure = undefined;
    this.#isOneByOne = false;
    this.#backoff.reset();
  }

  #linkClosed(on: PeerLink, end: LinkEnd): void {
    const state = this.#state;
    const isCurrent = state.kind === 'connected' && state.held.on === on;
    if (isCurrent) this.#goOnWithout(state.held, end);
    // Told only now, when the peer has its next state: a stream that wants a link at once finds what to wait for.
    for (const { stream } of on.takeStreams()) stream.detach();
    if (isCurrent && this.#state.kind === 'idle' && this.#isWanted) this.#begin();
  }

  #goOnWithout(held: HeldLink, end: LinkEnd): void {
    const { on } = held;
    const failure = linkEndFailure(end, { machine: this.machine, address: on.address });
    if (isTroubledEnd(end)) {
      this.#lastFailure = failure;
      this.#recordEnd(on, failure);
    }
    const second = held.release();
    if (second !== undefined) {
      this.#become({ kind: 'trying', round: second });
      this.#watch.look();
      return;
    }
    if (end.code === 'REPLACED') this.#isOneByOne = true;
    if (!this.#isNeeded || (end.isOurs && end.code === 'IDLE')) {
      this.#greetings = 0;
      this.#become({ kind: 'idle' });
      return;
    }
    this.#lastFailure = failure;
    const livedMs = on.provenMs === undefined ? 0 : this.#nowMs - on.provenMs;
    if (livedMs >= LIVED_MS_MIN) this.#begin();
    else {
      this.#failures++;
      this.#wait(this.#backoff.nextDelayMs(false));
    }
  }

  #recordEnd(on: PeerLink, { reason, text }: DialFailure): void {
    const atMs = this.#options.io.clock.wallNowMs();
    this.#history.add({ atMs, name: this.#name, address: on.address, port: this.#port, outcome: reason, text });
  }

  // Names

  #looked(answer: NameAnswer, isChanged: boolean): void {
    if (isChanged) this.#backoff.reset();
    const state = this.#state;
    if (state.kind === 'connected') state.held.compare(answer);
    else if (state.kind === 'trying') state.round.addAnswer(answer);
    else if (state.kind === 'waiting' && isChanged) this.#begin(answer);
  }

  #rememberInbound(text: string | undefined): void {
    const address = text === undefined ? undefined : ipAddress(text);
    // Without certificates anybody could say so: then only a store that was met before is believed (attempt-round.ts).
    const isProvable = this.#options.tls !== undefined || this.#storeId !== undefined;
    if (address !== undefined && isProvable) this.#inbound = { address, untilMs: this.#nowMs + INBOUND_FOR_MS };
  }

  // State

  #become(next: PeerState): void {
    const before = this.#state;
    this.#state = next;
    if (before.kind === 'waiting') before.timer.cancel();
    const kept = next.kind === 'trying' ? next.round : undefined;
    const round =
      before.kind === 'trying' ? before.round : before.kind === 'connected' ? before.held.release() : undefined;
    if (round !== kept) round?.cancel();
    this.#watch.every(LOOK_EVERY_MS[next.kind]);
  }

  get #view(): PeerView {
    const state = this.#state;
    return {
      machine: this.machine,
      name: this.#name,
      port: this.#port,
      address: state.kind === 'connected' ? state.held.on.address : this.#lastAddress,
      doing: doingOf(state),
      lastFailure: this.#lastFailure,
      attempt: this.#failures + 1,
      history: this.#history,
    };
  }

  get #nowMs(): number {
    return this.#options.io.clock.monotonicNowMs();
  }
}

export type WakeReason =
  | 'inbound connection'
  | 'interfaces changed'
  | 'resumed'
  | 'started'
  | 'operator'
  | 'new certificates';

/** Attempts to greet, the first included: right after a change of addresses the way may not be there yet. */
const GREETINGS = 3;
/** A link that broke sooner counts as a failed attempt. */
const LIVED_MS_MIN = 1000;
const ONE_BY_ONE_MS = 10_000;
const INBOUND_FOR_MS = 60_000;
const IDENTIFIED_KEPT = 4;
