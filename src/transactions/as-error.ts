import { InvariantBroken } from '../message/posthorn-error.ts';

/** What a resource threw, as an error: its driver may throw anything. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new InvariantBroken(`a resource threw what is not an error: ${String(thrown)}`);
}
