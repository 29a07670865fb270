import type { Timer } from '../../io/io.ts';
import { isLoopback, shownAddress } from '../../io/ip-address.ts';
import type { NameAnswer } from '../../io/network.ts';
import type { AttemptRound } from './attempt-round.ts';
import { hasAddress } from './candidates.ts';
import type { PeerLink } from './peer-link.ts';
import type { PeerOptions } from './peer-options.ts';

/**
 * The link that a peer uses, for as long as it is the right one.
 *
 *     alone ──silent | address not in two answers | own address gone──▶ with a second round ──identified──▶ (the streams move)
 *       ▲                                                                     │
 *       └───────── the round failed | silent no more ─────────────────────────┘
 *
 * Nothing but its own end takes a link away before another one is there: not a lookup that fails, not a second round that
 * fails. It closes by itself when there was nothing to do for 60 s.
 */
export class HeldLink {
  readonly on: PeerLink;
  readonly #host: HeldLinkHost;
  #second: { readonly round: AttemptRound; readonly cause: SecondCause } | undefined;
  #idleTimer: Timer;
  #missingAnswers = 0;
  #isReleased = false;

  constructor(on: PeerLink, host: HeldLinkHost) {
    this.on = on;
    this.#host = host;
    this.#idleTimer = this.#checkIdleAfter(GREETING_IDLE_MS);
  }

  /** Takes the hands off; the second round, which may still be under way, is the caller's. */
  release(): AttemptRound | undefined {
    this.#isReleased = true;
    this.#idleTimer.cancel();
    return this.#second?.round;
  }

  /** A sign of life stays out: with work on it, another link is tried at once; if it wakes up before that, it stays. */
  silent(): void {
    if (!this.#host.isNeeded()) return;
    this.#startSecond('silent');
    this.on.link.ping().then(
      () => this.#wokeUp(),
      // It closed, which is told by itself.
      () => undefined,
    );
  }

  /** Something happened to the way there, or to the machine. An answer that stays out shows as `silent`. */
  verify(): void {
    if (this.isOwnAddressGone) this.#startSecond('own address gone');
    // A link that closes tells it by its end.
    else this.on.link.ping().catch(() => undefined);
  }

  /** This machine has lost the address that the link began at. */
  get isOwnAddressGone(): boolean {
    const local = shownAddress(this.on.link.localAddress);
    if (isLoopback(local)) return false;
    return !this.#host.options.network.interfaceAddresses().some((address) => shownAddress(address) === local);
  }

  /** What the name says now. */
  compare(answer: NameAnswer): void {
    if (hasAddress(answer.addresses, this.on.address)) this.#missingAnswers = 0;
    else if (++this.#missingAnswers >= MISSING_ANSWERS) this.#startSecond('the name has other addresses', answer);
  }

  /** False when it was not the second round of this link. */
  secondFailed(round: AttemptRound): boolean {
    if (this.#second?.round !== round) return false;
    this.#second = undefined;
    return true;
  }

  #startSecond(cause: SecondCause, answer?: NameAnswer): void {
    if (this.#second !== undefined || this.#isReleased) return;
    const { machine, options } = this.#host;
    options.logger.info(`A second link to ${machine} is tried, beside ${this.on.address}: ${cause}`);
    const round = this.#host.makeRound();
    this.#second = { round, cause };
    round.start(answer);
  }

  #wokeUp(): void {
    if (this.#isReleased || this.#second?.cause !== 'silent') return;
    this.#second.round.cancel();
    this.#second = undefined;
  }

  #checkIdleAfter(delayMs: number): Timer {
    return this.#host.options.io.timers.after(delayMs, () => {
      const nowMs = this.#host.options.io.clock.monotonicNowMs();
      const limitMs = this.on.isUsed ? IDLE_MS : GREETING_IDLE_MS;
      const isNeeded = this.#host.isNeeded();
      if (isNeeded) this.on.busyMs = nowMs;
      const leftMs = this.on.busyMs + limitMs - nowMs;
      if (leftMs <= 0) this.on.link.close('IDLE', `Nothing to send for ${limitMs / 1000} s.`);
      else this.#idleTimer = this.#checkIdleAfter(leftMs);
    });
  }
}

export interface HeldLinkHost {
  readonly machine: string;
  readonly options: PeerOptions;
  /** True while there is something to send or to settle. */
  isNeeded(): boolean;
  /** Not started; tells its outcome to the peer. */
  makeRound(): AttemptRound;
}

type SecondCause = 'silent' | 'the name has other addresses' | 'own address gone';

/** Answers in a row without the address in use, before the link moves. */
const MISSING_ANSWERS = 2;
const IDLE_MS = 60_000;
/** Of a link that nothing was sent over: the peer has learned where this machine is. */
const GREETING_IDLE_MS = 5000;
