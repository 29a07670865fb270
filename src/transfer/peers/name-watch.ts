import type { Timer } from '../../io/io.ts';
import type { NameAnswer } from '../../io/network.ts';
import { addressSetKey } from './candidates.ts';
import { NAME_TIMEOUT_MS } from './dial-failure.ts';
import type { PeerOptions } from './peer-options.ts';

/** Looks a name up again and again beside the attempts, and tells when its answer is another one. One lookup at a time. */
export class NameWatch {
  readonly #name: string;
  readonly #peer: Pick<PeerOptions, 'io' | 'names'>;
  readonly #looked: (answer: NameAnswer, isChanged: boolean) => void;
  /** The last answer as a set; '' for none, undefined before the first. */
  #key: string | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #everyMs: number | undefined;
  #isLooking = false;
  #timer: Timer | undefined;

  /** @param looked - gets every answer to a lookup made here; a lookup without an answer changes nothing */
  constructor(
    name: string,
    peer: Pick<PeerOptions, 'io' | 'names'>,
    looked: (answer: NameAnswer, isChanged: boolean) => void,
  ) {
    this.#name = name;
    this.#peer = peer;
    this.#looked = looked;
  }

  /**
   * From now on a lookup starts `everyMs` after the last one at the latest, and at two thirds of it at the earliest, so that
   * those of many names spread; undefined: none.
   */
  every(everyMs: number | undefined): void {
    this.#everyMs = everyMs;
    this.#plan();
  }

  /** An attempt looks the name up just now. */
  attemptLooks(): void {
    this.#lookedMs = this.#nowMs;
    this.#plan();
  }

  /** What a lookup found, made here or by an attempt; undefined: no answer. True when the name has other addresses now. */
  note(answer: NameAnswer | undefined): boolean {
    const key = answer === undefined ? '' : addressSetKey(answer.addresses);
    const isChanged = this.#key !== undefined && this.#key !== key && key !== '';
    this.#key = key;
    return isChanged;
  }

  /** Now, unless a lookup is under way. */
  look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#lookedMs = this.#nowMs;
    this.#peer.names.resolve(this.#name, NAME_TIMEOUT_MS).then(
      (answer) => this.#ended(answer),
      () => this.#ended(undefined),
    );
  }

  #ended(answer: NameAnswer | undefined): void {
    this.#isLooking = false;
    const isChanged = this.note(answer);
    if (answer !== undefined) this.#looked(answer, isChanged);
    this.#plan();
  }

  #plan(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#everyMs === undefined || this.#isLooking) return;
    const dueMs = this.#lookedMs + this.#everyMs * (1 - this.#peer.io.random.fraction() / 3);
    this.#timer = this.#peer.io.timers.after(Math.max(0, dueMs - this.#nowMs), () => this.look());
  }

  get #nowMs(): number {
    return this.#peer.io.clock.monotonicNowMs();
  }
}
