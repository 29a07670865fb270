import { PosthornError } from '../message/posthorn-error.ts';

/** True for an answer that proves neither success nor failure. */
export function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof PosthornError && error.code === 'OUTCOME_UNKNOWN';
}
