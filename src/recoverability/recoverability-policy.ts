import { nameOf } from '../message/contract.ts';
import { matchesError } from './error-matcher.ts';
import { UnhandleableMessage, UnrecoverableError } from './errors.ts';
import type {
  Failure,
  RecoverabilityAction,
  RecoverabilityConfig,
  RecoverabilityRule,
  RetryConfig,
} from './recoverability-config.ts';

/**
 * Decides what becomes of a message that failed. Pure: the same failure always gets the same answer.
 *
 * Order: what no handler can be given, and unrecoverable errors → error queue; then the first rule that matches;
 * immediate retries; delayed retries, each later than the one before; error queue. Without a transaction (mode `none`)
 * there is nothing to retry.
 */
export function recoverabilityPolicy(failure: Failure, config: RecoverabilityConfig): RecoverabilityAction {
  const { error } = failure;
  if (error instanceof UnhandleableMessage) return toErrorQueue(config, error);
  if (error instanceof UnrecoverableError) return toErrorQueue(config);
  if (config.unrecoverableErrors.some((matcher) => matchesError(matcher, error))) return toErrorQueue(config);

  const rule = config.rules.find((each) => matchesRule(each, failure));
  if (rule?.discard !== undefined) return { kind: 'discard', reason: rule.discard };
  const retries = rule === undefined ? config : { ...config, ...rule };
  if (rule?.unrecoverable === true || !failure.canRetry) return toErrorQueue(retries);
  if (failure.failedAttempts <= retries.immediateRetries) return { kind: 'immediateRetry' };
  if (failure.delayedRetries < retries.delayedRetries)
    return { kind: 'delayedRetry', delayMs: delayMsOf(failure, retries) };
  return toErrorQueue(retries);
}

function toErrorQueue(config: RetryConfig, unhandleable?: UnhandleableMessage): RecoverabilityAction {
  return { kind: 'moveToErrorQueue', reason: unhandleable?.reason ?? 'HandlerFailed', errorQueue: config.errorQueue };
}

function matchesRule(rule: RecoverabilityRule, failure: Failure): boolean {
  if (rule.whenError !== undefined && !matchesError(rule.whenError, failure.error)) return false;
  return rule.whenMessage === undefined || nameOf(rule.whenMessage) === failure.messageType;
}

function delayMsOf(failure: Failure, retries: RetryConfig): number {
  const round = failure.delayedRetries + 1;
  const factor = retries.backoff === 'linear' ? round : 2 ** (round - 1);
  const wholeMs = Math.min(retries.delayedRetryIncreaseMs * factor, retries.delayedRetryMaxMs);
  // Chance takes away and never adds, so that the configured delay stays the longest.
  return Math.round(wholeMs * (1 - retries.jitter * failure.chance));
}
