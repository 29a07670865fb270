import type { LogFields } from '../../src/io/logger.ts';

/** What the seeds of a run have come through, so that a run that proves little says so. */
export class Coverage {
  readonly #counts = new Map<string, number>();

  count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  logged(text: string, fields: LogFields | undefined): void {
    const event = typeof fields?.event === 'string' ? fields.event : RECONCILE_ROWS.find((row) => text.includes(row));
    if (event !== undefined) this.count(`reconcile ${event}`);
  }

  of(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  add(counts: Readonly<Record<string, number>>): void {
    for (const [what, count] of Object.entries(counts)) this.#counts.set(what, this.of(what) + count);
  }

  toJSON(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  /** Of what must be reached in a long run, what was not. */
  missing(): readonly string[] {
    return MUST_BE_REACHED.filter((what) => this.of(what) === 0);
  }
}

const RECONCILE_ROWS = ['PEER_LOST_DATA', 'STREAM_REGRESSION', 'PEER_STORE_REPLACED'];

/**
 * Rows of the reconcile table, and every code with which a receiver ends a channel. Two codes are missing, OUT_OF_SEQUENCE and
 * BUSY: our own senders give no cause for them. So is TAKEN_OVER: the link that loses its stream is closed before it hears.
 * A copied store has a story of its own (when-stores-are-lost-or-copied.test.ts).
 */
export const MUST_BE_REACHED: readonly string[] = [
  ...RECONCILE_ROWS.map((row) => `reconcile ${row}`),
  'attached known',
  'attached unknown',
  'detached QUEUE_FULL',
  'detached STORE_FULL',
  'detached QUEUE_NOT_YET_THERE',
  'detached STORE_RECOVERING',
  'refused WRONG_HOST',
];
