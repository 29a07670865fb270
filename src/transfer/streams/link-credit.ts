import type { Timers } from '../../io/io.ts';
import type { Link } from '../links/link.ts';
import { LINK_WINDOW_BYTES } from '../wire/limits.ts';
import type { LinkCredit } from './stream.ts';

/**
 * The credit of one link: all its streams together have at most `bytesMax` on the way, and take turns frame by frame.
 *
 * A stream that has more to send but found no credit waits until some is given back. A message larger than everything goes
 * alone. While anything is on the way, the link is told to expect answers.
 */
export class SharedLinkCredit implements LinkCredit {
  readonly #link: Link;
  readonly #timers: Timers;
  readonly #bytesMax: number;
  #waiting: (() => boolean)[] = [];
  #takenBytes = 0;
  #isTurnPlanned = false;
  /** Somebody asked for credit and there was not enough. */
  #isShort = false;

  constructor(link: Link, timers: Timers, bytesMax: number = LINK_WINDOW_BYTES) {
    this.#link = link;
    this.#timers = timers;
    this.#bytesMax = bytesMax;
  }

  take(bytes: number): boolean {
    if (this.#takenBytes > 0 && this.#takenBytes + bytes > this.#bytesMax) {
      this.#isShort = true;
      return false;
    }
    this.#takenBytes += bytes;
    this.#link.expectsAnswers = true;
    return true;
  }

  give(bytes: number): void {
    this.#takenBytes -= bytes;
    if (this.#takenBytes <= 0) this.#link.expectsAnswers = false;
    if (!this.#isShort) return;
    this.#isShort = false;
    this.#planTurn();
  }

  schedule(send: () => boolean): void {
    this.#waiting.push(send);
    if (!this.#isShort) this.#planTurn();
  }

  /** After all reactions of this turn of the event loop, so that what arrives in it leaves in one frame. */
  #planTurn(): void {
    if (this.#isTurnPlanned || this.#waiting.length === 0) return;
    this.#isTurnPlanned = true;
    this.#timers.soon(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnPlanned = false;
    if (!this.#link.isOpen) {
      this.#waiting = [];
      return;
    }
    const round = this.#waiting;
    this.#waiting = [];
    const again: (() => boolean)[] = [];
    for (const send of round) if (send()) again.push(send);
    // Whoever was scheduled while the round ran comes before those who have just had their turn.
    this.#waiting.push(...again);
    if (!this.#isShort) this.#planTurn();
  }
}
