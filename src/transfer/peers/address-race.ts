import type { Timer, Timers } from '../../io/io.ts';
import type { Link } from '../links/link.ts';
import { LinkFailure } from '../links/link-failure.ts';
import type { CandidateOrigin } from './dial-failure.ts';
import { type DialTurns, type Turn, UNDISTURBED_MS } from './dial-turns.ts';

/**
 * Dials several addresses of one machine; the first that proves to be it wins (RFC 8305, with the identity in place of the
 * mere connection).
 *
 *     waiting ──250 ms after the one before, or at once when one failed──▶ wants a turn ──▶ dialling ──▶ failed | won
 *
 * Invariants
 * - Each address is dialled once.
 * - Every turn that was asked for is given back; after the end nothing is dialled, and a link that comes late is closed.
 * - It ends once: won, lost (all failed and `complete` was called), or cancelled, which is not told.
 */
export class AddressRace {
  readonly #options: AddressRaceOptions;
  #waiting: Candidate[] = [];
  readonly #dials = new Set<Dial>();
  readonly #known = new Set<string>();
  #stagger: Timer | undefined;
  #isComplete = false;
  #isOver = false;

  constructor(options: AddressRaceOptions) {
    this.#options = options;
  }

  /** Addresses that are being dialled. */
  get dialling(): readonly string[] {
    return [...this.#dials].filter(({ isStarted }) => isStarted).map(({ candidate }) => candidate.address);
  }

  /** Addresses that are new here join; `goesFirst`: before those that wait, also if they are among them, and at once. */
  add(candidates: readonly Candidate[], options: { readonly goesFirst: boolean }): void {
    const isWaiting = (address: string): boolean => this.#waiting.some((candidate) => candidate.address === address);
    const added = candidates.filter(
      ({ address }) => !this.#known.has(address) || (options.goesFirst && isWaiting(address)),
    );
    const others = this.#waiting.filter(({ address }) => !added.some((candidate) => candidate.address === address));
    for (const { address } of added) this.#known.add(address);
    this.#waiting = options.goesFirst ? [...added, ...others] : [...others, ...added];
    if (added.length === 0 || this.#isOver) return;
    if (options.goesFirst) this.#startNext();
    else if (this.#stagger === undefined) this.#waitForNext();
  }

  /** No address must be waited for any more: when all have failed, the race is lost. */
  complete(): void {
    this.#isComplete = true;
    this.#endWhenLost();
  }

  cancel(): void {
    this.#isOver = true;
    this.#waitNoMore();
    this.#waiting = [];
    for (const dial of [...this.#dials]) this.#drop(dial);
  }

  #startNext(): void {
    this.#waitNoMore();
    const candidate = this.#waiting.shift();
    if (candidate === undefined) return;
    const dial: Dial = {
      candidate,
      controller: new AbortController(),
      isStarted: false,
      turn: {
        isFresh: this.#options.isFresh,
        start: () => this.#start(dial),
        giveWay: () => this.#fail(dial, gaveWay()),
      },
    };
    this.#dials.add(dial);
    this.#options.turns.ask(dial.turn);
  }

  #start(dial: Dial): void {
    dial.isStarted = true;
    if (this.#waiting.length > 0) this.#waitForNext();
    this.#options.dial(dial.candidate, dial.controller.signal).then(
      (link) => {
        if (this.#dials.has(dial) && !link.isOpen) this.#fail(dial, closedAtOnce());
        else if (this.#dials.has(dial)) this.#win(dial, link);
        else closeUnused(link);
      },
      (error: unknown) => this.#fail(dial, error),
    );
  }

  #win(dial: Dial, link: Link): void {
    this.#dials.delete(dial);
    this.#options.turns.giveBack(dial.turn);
    this.cancel();
    this.#options.won(dial.candidate, link);
  }

  #fail(dial: Dial, error: unknown): void {
    if (!this.#dials.has(dial)) return;
    this.#drop(dial);
    this.#options.failed(dial.candidate, error);
    if (this.#isOver) return;
    if (this.#waiting.length > 0) this.#startNext();
    this.#endWhenLost();
  }

  #drop(dial: Dial): void {
    this.#dials.delete(dial);
    dial.controller.abort();
    this.#options.turns.giveBack(dial.turn);
  }

  #endWhenLost(): void {
    if (this.#isOver || !this.#isComplete || this.#waiting.length > 0 || this.#dials.size > 0) return;
    this.cancel();
    this.#options.lost();
  }

  #waitForNext(): void {
    this.#waitNoMore();
    this.#stagger = this.#options.timers.after(this.#options.staggerMs, () => this.#startNext());
  }

  #waitNoMore(): void {
    this.#stagger?.cancel();
    this.#stagger = undefined;
  }
}

export interface AddressRaceOptions {
  readonly timers: Timers;
  readonly turns: DialTurns;
  readonly staggerMs: number;
  /** See `Turn`. */
  readonly isFresh: boolean;
  dial(candidate: Candidate, signal: AbortSignal): Promise<Link>;
  failed(candidate: Candidate, error: unknown): void;
  won(candidate: Candidate, link: Link): void;
  lost(): void;
}

export interface Candidate {
  readonly address: string;
  readonly origin: CandidateOrigin;
}

/** It came after the end of the race. */
function closeUnused(link: Link): void {
  const nothing = (): void => undefined;
  link.listen({ frame: nothing, drained: nothing, silent: nothing, closed: nothing });
  link.close('DONE', 'Another connection was faster, or none is wanted any more.');
}

function closedAtOnce(): LinkFailure {
  return new LinkFailure('RESET', 'it answered, and the connection broke at once');
}

function gaveWay(): LinkFailure {
  return new LinkFailure(
    'CONNECT_TIMEOUT',
    `no answer within ${UNDISTURBED_MS / 1000} s; then it gave way to other machines`,
  );
}

export const STAGGER_MS = 250;

interface Dial {
  readonly candidate: Candidate;
  readonly controller: AbortController;
  readonly turn: Turn;
  isStarted: boolean;
}
