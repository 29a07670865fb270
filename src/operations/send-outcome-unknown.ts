import type { PosthornError } from '../message/posthorn-error.ts';
import { OutcomeUnknown } from '../store/errors.ts';

/** A send went to another process and no answer came: whether its messages are in the store is not known. */
export function sendOutcomeUnknown(waitedMs: number): PosthornError {
  return new OutcomeUnknown(`the process that owns the directory gave no answer to a send in ${waitedMs} ms`);
}
