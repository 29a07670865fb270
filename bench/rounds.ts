import { median } from './statistics.ts';

/**
 * Runs the reference and what is measured in turns, in many short rounds, so that a disk or a neighbour that is slow for
 * a while is slow for both. The first rounds warm up and are left out.
 *
 * `ratio` is the median of the ratios of the rounds, not the ratio of the medians: each round is one comparison.
 */
export async function compareInRounds(options: {
  readonly roundCount: number;
  /** Before each round, outside the measurement. */
  prepare?(): Promise<void>;
  /** Both resolve with a rate, in the same unit. `isWarmUp`: this round is not counted. */
  reference(isWarmUp: boolean): Promise<number>;
  measured(isWarmUp: boolean): Promise<number>;
}): Promise<Comparison> {
  const references: number[] = [];
  const values: number[] = [];
  for (let round = -WARM_UP_ROUNDS; round < options.roundCount; round++) {
    const isWarmUp = round < 0;
    await options.prepare?.();
    // In every other round the other one goes first, so that neither always finds the disk as its predecessor left it.
    let reference = round % 2 === 0 ? await options.reference(isWarmUp) : Number.NaN;
    const value = await options.measured(isWarmUp);
    if (round % 2 !== 0) reference = await options.reference(isWarmUp);
    if (isWarmUp) continue;
    references.push(reference);
    values.push(value);
  }
  const ratios = values.map((value, round) => value / (references[round] ?? Number.NaN));
  return {
    value: median(values),
    reference: median(references),
    ratio: median(ratios),
    ratios: ratios.map((ratio) => ratio.toFixed(2)).join(' '),
  };
}

const WARM_UP_ROUNDS = 2;

export interface Comparison {
  readonly value: number;
  readonly reference: number;
  readonly ratio: number;
  /** Of every round, for people. */
  readonly ratios: string;
}
