import type { RefusedMessage } from '../wire/frames.ts';

/** What the receiver has confirmed and this store does not know yet; many ACKED become one unit. */
export class Confirmations {
  #seq: number;
  #refused: RefusedMessage[] = [];

  /** @param seq - durable here */
  constructor(seq: number) {
    this.#seq = seq;
  }

  get seq(): number {
    return this.#seq;
  }

  add(seq: number, refused: readonly RefusedMessage[]): void {
    this.#seq = seq;
    for (const refusal of refused) this.#refused.push(refusal);
  }

  /** For the unit that is made of them now. */
  takeRefused(): readonly RefusedMessage[] {
    return this.#refused.splice(0);
  }

  /** That unit is not there. */
  putBackRefused(refused: readonly RefusedMessage[]): void {
    this.#refused.unshift(...refused);
  }

  /** Nothing is known beyond what is durable. */
  reset(seq: number): void {
    this.#seq = seq;
    this.#refused = [];
  }
}
