import { InvalidOption } from '../message/errors.ts';
import { written } from '../message/wording.ts';

/** A hundred years: more would not fit a date. */
const DURATION_MS_MAX = 100 * 365 * 24 * 60 * 60 * 1000;

/** @throws {InvalidOption} it is no number of milliseconds that a message could wait */
export function checkDuration(option: string, durationMs: number): void {
  if (typeof durationMs === 'number' && durationMs >= 0 && durationMs <= DURATION_MS_MAX) return;
  throw new InvalidOption(
    option,
    `is ${written(durationMs)}`,
    'Give milliseconds: 0 or more, at most a hundred years.',
  );
}
