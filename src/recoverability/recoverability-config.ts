import type { Contract } from '../message/contract.ts';
import type { FailureReason, Headers } from '../message/headers.ts';
import type { ErrorMatcher } from './error-matcher.ts';

/** What becomes of a message that failed. Decided by a pure function, acted on in one place. */
export type RecoverabilityAction =
  | { readonly kind: 'immediateRetry' }
  | { readonly kind: 'delayedRetry'; readonly delayMs: number }
  | { readonly kind: 'moveToErrorQueue'; readonly reason: FailureReason; readonly errorQueue?: string }
  | { readonly kind: 'discard'; readonly reason: string };

/** All that a decision may look at. */
export interface Failure {
  readonly error: Error;
  readonly messageId: string;
  /** Undefined when the message failed before its type was known. */
  readonly messageType: string | undefined;
  /** Undefined when they could not be read. */
  readonly headers: Headers | undefined;
  /** Failed attempts of this round, this one included: 1 after the first. */
  readonly failedAttempts: number;
  /** Delayed retries so far. */
  readonly delayedRetries: number;
  /** Attempts over all rounds, this one included. */
  readonly attempts: number;
  /** False in mode `none`: the message already left its queue, so it can only be forwarded or discarded. */
  readonly canRetry: boolean;
  /** In [0, 1): the chance in a delay, handed in so that the decision stays pure. */
  readonly chance: number;
}

/** How one kind of failure is retried. */
export interface RetryConfig {
  /** Tries again at once, after the first, in each round. */
  readonly immediateRetries: number;
  /** Rounds after the first, each later than the one before. */
  readonly delayedRetries: number;
  readonly delayedRetryIncreaseMs: number;
  /** `linear`: increase × n, as NServiceBus does. `exponential`: increase × 2^(n-1). */
  readonly backoff: 'linear' | 'exponential';
  /** No delay is longer. */
  readonly delayedRetryMaxMs: number;
  /** 0 to 1: the part of each delay that chance decides, so that many messages do not come back together. */
  readonly jitter: number;
  /** `queue` or `queue@machine`. */
  readonly errorQueue: string;
}

/** The first rule of which every `when…` matches decides; what it does not say stands as configured for all. */
export interface RecoverabilityRule extends Partial<RetryConfig> {
  readonly whenError?: ErrorMatcher;
  /** A contract, or a message type's name. */
  readonly whenMessage?: Contract | string;
  /** Straight to the error queue. */
  readonly unrecoverable?: boolean;
  /** Consumed without a trace but a log line and a notification: the reason they give. */
  readonly discard?: string;
}

export interface RecoverabilityConfig extends RetryConfig {
  readonly unrecoverableErrors: readonly ErrorMatcher[];
  readonly rules: readonly RecoverabilityRule[];
}

export type RecoverabilityPolicy = (failure: Failure, config: RecoverabilityConfig) => RecoverabilityAction;

/** What the endpoint's option `recoverability` takes. */
export interface RecoverabilityOptions extends Partial<RecoverabilityConfig> {
  /** Decides in place of `recoverabilityPolicy`; pure. It may call that one for what it does not want to decide. */
  readonly policy?: RecoverabilityPolicy;
  readonly rateLimit?: RateLimitOptions;
}

export interface RateLimitOptions {
  readonly afterConsecutiveFailures: number;
  /** Wait after each failure while limited. Default 1,000. */
  readonly pauseMs?: number;
  /** Failures it says false to neither count nor pause. Default: all count. */
  readonly countsError?: (error: Error) => boolean;
}

/** NServiceBus' defaults (nservicebus-and-msmq.md 1.3). */
export const RECOVERABILITY_DEFAULTS: RecoverabilityConfig = {
  immediateRetries: 5,
  delayedRetries: 3,
  delayedRetryIncreaseMs: 10_000,
  backoff: 'linear',
  delayedRetryMaxMs: 24 * 60 * 60 * 1000,
  jitter: 0,
  errorQueue: 'error',
  unrecoverableErrors: [],
  rules: [],
};

/** Attempts at most, over all rounds: 6 × 4 = 24 with the defaults. */
export function attemptsMax(config: RetryConfig): number {
  return (config.immediateRetries + 1) * (config.delayedRetries + 1);
}
