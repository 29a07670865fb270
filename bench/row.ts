/** What one row of `npm run bench` found; the JSON line of the row. */
export interface RowResult {
  readonly name: string;
  /** What was measured, in `unit`. */
  readonly value: number;
  readonly unit: string;
  /** The same of the reference, in the same run; null where the row has a fixed bound instead. */
  readonly reference: number | null;
  /** Median over the rounds of value / reference. */
  readonly ratio: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** What must hold for `ok`, and what we aim at (DESIGN section 7, and the bounds of the issue). */
  readonly must: string;
  readonly aim: string;
  readonly ok: boolean;
  /** What else was seen, by name with the unit last. */
  readonly details: Readonly<Record<string, number | string>>;
}

/** One row: measured in a process of its own, on a fresh directory. */
export interface Row {
  readonly name: string;
  readonly what: string;
  readonly must: string;
  readonly aim: string;
  measure(directory: string): Promise<Measured>;
}

export type Measured = Omit<RowResult, 'name' | 'must' | 'aim'>;
