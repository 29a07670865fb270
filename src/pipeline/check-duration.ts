import { InvalidOption } from '../message/errors.ts';
import { DURATION_MS_MAX } from '../message/limits.ts';
import { written } from '../message/wording.ts';

/** @throws {InvalidOption} it is no number of milliseconds that a message could wait */
export function checkDuration(option: string, durationMs: number): void {
  if (typeof durationMs === 'number' && durationMs >= 0 && durationMs <= DURATION_MS_MAX) return;
  throw new InvalidOption(
    option,
    `is ${written(durationMs)}`,
    'Give milliseconds: 0 or more, at most a hundred years.',
  );
}
