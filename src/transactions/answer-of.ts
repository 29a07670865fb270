import { isPosthornError } from '../message/posthorn-error.ts';
import { asError } from './as-error.ts';
import { ResourceUnavailable } from './errors.ts';

/** What a database answered, from what its resource threw: what happened alone, for a place where the database is named. */
export function answerOf(thrown: unknown): string {
  if (thrown instanceof ResourceUnavailable) return thrown.why;
  return isPosthornError(thrown) ? thrown.what : asError(thrown).message;
}
