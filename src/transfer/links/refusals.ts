import type { RefusedConnection } from '../incoming-status.ts';
import { REFUSALS_KEPT } from './limits.ts';

/**
 * The last connections that were refused, for operators. Those of one address with one name and one reason are one entry,
 * the latest of them, with their number: a flood of strangers does not push out the one refusal that explains something.
 */
export class Refusals {
  #count = 0;
  /** Latest last. */
  readonly #kept = new Map<string, { readonly latest: RefusedConnection; readonly times: number }>();

  get count(): number {
    return this.#count;
  }

  /** Latest first. */
  get latest(): readonly RefusedConnection[] {
    return [...this.#kept.values()]
      .reverse()
      .map(({ latest, times }) => (times === 1 ? latest : { ...latest, text: `${latest.text} (${times} times)` }));
  }

  /** Returns how many of its kind there are now. */
  add(refusal: RefusedConnection): number {
    this.#count++;
    const key = JSON.stringify([refusal.remoteAddress, refusal.claimedMachine, refusal.code]);
    const times = (this.#kept.get(key)?.times ?? 0) + 1;
    this.#kept.delete(key);
    this.#kept.set(key, { latest: refusal, times });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > REFUSALS_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    return times;
  }
}
