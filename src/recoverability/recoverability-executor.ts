import { failpoint } from '../io/failpoint.ts';
import type { Io, Timer } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import { type Address, formatAddress, parseAddress } from '../message/address.ts';
import type { FailureReason, Headers } from '../message/headers.ts';
import { InvariantBroken, isPosthornError } from '../message/posthorn-error.ts';
import { countOf } from '../message/wording.ts';
import { isOutcomeUnknown } from '../transactions/outcome-unknown.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Delivery, Transport } from '../transport/transport.ts';
import type { CriticalErrorTrigger } from './critical-error-trigger.ts';
import { InvalidRecoverabilityAction, toError } from './errors.ts';
import { delayedRetryHeaders, failureHeaders, retryCountsOf } from './failure-headers.ts';
import type { Notifications } from './notifications.ts';
import type {
  Failure,
  RecoverabilityAction,
  RecoverabilityConfig,
  RecoverabilityPolicy,
} from './recoverability-config.ts';
import { recoverabilityPolicy } from './recoverability-policy.ts';

/**
 * Acts on a message whose handling failed, after its rollback, in a unit of work of its own.
 *
 * The message stays locked until the action is durable. When even that fails (a full disk, say) it is tried again with
 * growing pauses, and the critical error trigger hears of it; when the answer is lost the message stays locked, because
 * only recovery can say what is there.
 */
export class RecoverabilityExecutor {
  readonly #parts: RecoverabilityParts;
  readonly #pauses = new Set<() => void>();
  #isStopping = false;

  constructor(parts: RecoverabilityParts) {
    this.#parts = parts;
  }

  /** Resolves when the action is durable, or given up because the endpoint stops. Never rejects. */
  async recover(failed: FailedMessage): Promise<void> {
    const failure = this.#failureOf(failed);
    let action = this.#decide(failure);
    for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
      try {
        await this.#act(action, failed, failure);
        this.#parts.trigger.succeeded();
        return;
      } catch (thrown) {
        const error = toError(thrown);
        if (isOutcomeUnknown(error)) return this.#tellInDoubt(failure, error);
        if (error instanceof InvariantBroken)
          return this.#parts.trigger.raise(`recover message '${failure.messageId}'`, error);
        this.#parts.logger.warn(`Message '${failure.messageId}' could not be recovered yet (${action.kind}).`, {
          error,
        });
        this.#parts.trigger.failed(`recover failed messages (${action.kind})`, error);
        // What does not fit now will not fit later; the copy in the error queue is made to fit.
        if (isPosthornError(error, 'MESSAGE_TOO_LARGE')) action = this.#toErrorQueue();
      }
      await this.#pause(pauseMs);
      if (this.#isStopping) return this.#giveUp(failed, failure);
    }
  }

  /** Gives a message back uncounted after a pause: what failed was not its handling, but keeping what came of it. */
  async postpone(delivery: Delivery, error: Error): Promise<void> {
    this.#parts.logger.warn('What a handler did could not be kept; its message is tried again.', { error });
    await this.#pause(POSTPONE_MS);
    delivery.release();
  }

  /** The answer of a commit was lost: only recovery can say what is there, so nothing is done but told. */
  leaveInDoubt(failed: FailedMessage, error: Error): void {
    this.#tellInDoubt(this.#failureOf(failed), error);
  }

  /** A message that was in doubt turned out to be rolled back: it is available again, and that attempt does not count. */
  giveBack(failed: FailedMessage): void {
    const { messageId, messageType } = failed;
    this.#parts.logger.info(`The transaction of message '${messageId}' was rolled back; it is tried again.`, {
      messageId,
      messageType,
    });
    failed.delivery.release();
  }

  /** Ends all pauses: what could not be recovered by now is given back as it is. */
  stop(): void {
    this.#isStopping = true;
    for (const wake of this.#pauses) wake();
  }

  #failureOf(failed: FailedMessage): Failure {
    const before = retryCountsOf(failed.headers);
    const failedAttempts = failed.delivery.failedAttempts + 1;
    return {
      error: failed.error,
      messageId: failed.messageId,
      messageType: failed.messageType,
      headers: failed.headers,
      failedAttempts,
      delayedRetries: before.delayedRetries,
      attempts: before.attempts + failedAttempts,
      canRetry: !failed.hasLeftQueue,
      chance: this.#parts.io.random.fraction(),
    };
  }

  #decide(failure: Failure): RecoverabilityAction {
    const action = this.#decideSafely(failure);
    const isRetry = action.kind === 'immediateRetry' || action.kind === 'delayedRetry';
    // A delayed retry carries its counters in the headers, so those must be readable.
    const isPossible = failure.canRetry && (action.kind !== 'delayedRetry' || failure.headers !== undefined);
    if (!isRetry || isPossible) return action;
    this.#parts.logger.warn(`Message '${failure.messageId}' cannot be retried; it goes to the error queue.`);
    return this.#toErrorQueue();
  }

  /** A policy, and the predicates of rules, are the user's code: when they fail, the message must not be lost over it. */
  #decideSafely(failure: Failure): RecoverabilityAction {
    const { config, policy, logger } = this.#parts;
    for (const decide of new Set([policy, recoverabilityPolicy])) {
      try {
        return checkAction(decide(failure, config));
      } catch (error) {
        logger.error(`The recoverability policy failed on message '${failure.messageId}'.`, { error });
      }
    }
    return this.#toErrorQueue();
  }

  #toErrorQueue(): RecoverabilityAction {
    return { kind: 'moveToErrorQueue', reason: 'HandlerFailed', errorQueue: this.#parts.config.errorQueue };
  }

  /** The one place where decisions become deeds. */
  #act(action: RecoverabilityAction, failed: FailedMessage, failure: Failure): Promise<void> {
    switch (action.kind) {
      case 'immediateRetry':
        return this.#retryNow(failed, failure);
      case 'delayedRetry':
        return this.#retryLater(failed, failure, action.delayMs);
      case 'moveToErrorQueue':
        return this.#moveToErrorQueue(failed, failure, action);
      case 'discard':
        return this.#discard(failed, failure, action.reason);
      default:
        return unknownAction(action);
    }
  }

  async #retryNow(failed: FailedMessage, failure: Failure): Promise<void> {
    failpoint('recoverability.before-immediate-retry');
    await this.#inUnit(async (work) => failed.delivery.countFailure(work, failure.failedAttempts));
    failpoint('recoverability.after-immediate-retry');
    failed.delivery.release();
    const { error, failedAttempts } = failure;
    this.#parts.logger.info(`Message '${failure.messageId}' failed and is tried again at once.`, fieldsOf(failure));
    this.#parts.notifications.emit('immediateRetry', { ...this.#eventOf(failure), error, failedAttempts });
  }

  async #retryLater(failed: FailedMessage, failure: Failure, delayMs: number): Promise<void> {
    const { delivery } = failed;
    const delayedRetries = failure.delayedRetries + 1;
    const counts = { delayedRetries, attempts: failure.attempts, deaths: deathsOf(failed) };
    const headers = delayedRetryHeaders(failure.headers ?? {}, counts, this.#parts.io.clock.wallNowMs());
    failpoint('recoverability.before-delayed-retry');
    await this.#inUnit(async (work) => {
      delivery.complete(work);
      const { body, priority } = delivery;
      await this.#parts.transport.dispatch(
        [{ destination: this.#parts.queue, headers, body, priority, delayMs }],
        work,
      );
    });
    failpoint('recoverability.after-delayed-retry');
    const { error } = failure;
    this.#parts.logger.warn(
      `Message '${failure.messageId}' failed and is tried again in ${delayMs} ms.`,
      fieldsOf(failure),
    );
    this.#parts.notifications.emit('delayedRetry', { ...this.#eventOf(failure), error, delayedRetries, delayMs });
  }

  async #moveToErrorQueue(
    failed: FailedMessage,
    failure: Failure,
    action: { readonly reason: FailureReason; readonly errorQueue?: string },
  ): Promise<void> {
    const { delivery } = failed;
    const { transport, config } = this.#parts;
    const errorQueue = action.errorQueue ?? config.errorQueue;
    const headers = this.#failureHeadersOf(failed, failure, action.reason);
    failpoint('recoverability.before-error-queue');
    await this.#inUnit(async (work) => {
      if (!failed.hasLeftQueue) delivery.complete(work);
      const { body, priority } = delivery;
      await transport.dispatch([{ destination: parseAddress(errorQueue), headers, body, priority }], work);
    });
    failpoint('recoverability.after-error-queue');
    const { error, attempts } = failure;
    const text = `Message '${failure.messageId}' was moved to '${errorQueue}' after ${countOf(attempts, 'attempt')}: ${error.message}`;
    this.#parts.logger.error(text, { ...fieldsOf(failure), reason: action.reason });
    const event = { ...this.#eventOf(failure), error, reason: action.reason, errorQueue, attempts };
    this.#parts.notifications.emit('movedToErrorQueue', event);
  }

  async #discard(failed: FailedMessage, failure: Failure, reason: string): Promise<void> {
    if (!failed.hasLeftQueue) await this.#inUnit(async (work) => failed.delivery.complete(work));
    this.#parts.logger.warn(`Message '${failure.messageId}' was discarded: ${reason}`, fieldsOf(failure));
    this.#parts.notifications.emit('discarded', { ...this.#eventOf(failure), reason, error: failure.error });
  }

  #failureHeadersOf(failed: FailedMessage, failure: Failure, reason: FailureReason): Headers {
    const { transport, queue, endpoint, hostId, io } = this.#parts;
    return failureHeaders({
      error: failure.error,
      reason,
      failedQueue: formatAddress({ queue: queue.queue, machine: transport.machine }),
      failedAtMs: io.clock.wallNowMs(),
      endpoint,
      machine: transport.machine,
      hostId,
      attempts: failure.attempts,
      deaths: deathsOf(failed),
      messageId: failure.messageId,
      originalHeaders: failed.headers,
      originalHeaderBytes: failed.delivery.headers,
    });
  }

  async #inUnit(enlist: (work: UnitOfWork) => Promise<void>): Promise<void> {
    const work = this.#parts.transport.begin();
    try {
      await enlist(work);
      await work.commit();
    } catch (error) {
      work.rollback();
      throw error;
    }
  }

  #tellInDoubt(failure: Failure, error: Error): void {
    this.#parts.logger.error(`What became of message '${failure.messageId}' is not known: it stays locked.`, { error });
    this.#parts.notifications.emit('outcomeUnknown', { ...this.#eventOf(failure), error });
  }

  #giveUp(failed: FailedMessage, failure: Failure): void {
    if (failed.hasLeftQueue) {
      const text = `Message '${failure.messageId}' failed in mode 'none' and could not be kept in the error queue: it is lost.`;
      this.#parts.logger.error(text, fieldsOf(failure));
    } else {
      failed.delivery.release();
    }
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const wake = (): void => {
        timer?.cancel();
        this.#pauses.delete(wake);
        resolve();
      };
      this.#pauses.add(wake);
      timer = this.#parts.io.timers.after(this.#isStopping ? 0 : pauseMs, wake, { keepsProcessAlive: true });
    });
  }

  #eventOf(failure: Failure): { endpoint: string; messageId: string; messageType: string | undefined } {
    return { endpoint: this.#parts.endpoint, messageId: failure.messageId, messageType: failure.messageType };
  }
}

/** A message whose unit of work was rolled back, or that was forwarded once in mode `none`. */
export interface FailedMessage {
  readonly delivery: Delivery;
  readonly error: Error;
  /** A fresh one when the message's own could not be read. */
  readonly messageId: string;
  readonly messageType: string | undefined;
  readonly headers: Headers | undefined;
  /** True in mode `none`: its removal was committed before the handlers. */
  readonly hasLeftQueue: boolean;
}

export interface RecoverabilityParts {
  readonly transport: Transport;
  readonly io: Io;
  readonly logger: Logger;
  readonly notifications: Notifications;
  readonly trigger: CriticalErrorTrigger;
  readonly config: RecoverabilityConfig;
  readonly policy: RecoverabilityPolicy;
  readonly endpoint: string;
  readonly queue: Address;
  readonly hostId: string;
}

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 5_000;
const POSTPONE_MS = 1_000;

/** Those before this round too: a killer must not get a new life with each delay. */
function deathsOf(failed: FailedMessage): number {
  return failed.delivery.deaths + retryCountsOf(failed.headers).deaths;
}

function fieldsOf(failure: Failure): Record<string, unknown> {
  const { messageId, messageType, failedAttempts, delayedRetries, error } = failure;
  return { messageId, messageType, failedAttempts, delayedRetries, error };
}

/** A custom policy is the user's code: what it returns is checked before anything is done with the message. */
function checkAction(action: RecoverabilityAction): RecoverabilityAction {
  switch (action.kind) {
    case 'immediateRetry':
      return action;
    case 'delayedRetry':
      if (!(action.delayMs >= 0)) throw new InvalidRecoverabilityAction(`delayMs is ${action.delayMs}`);
      return action;
    case 'moveToErrorQueue':
      if (action.errorQueue !== undefined) parseAddress(action.errorQueue);
      return action;
    case 'discard':
      return action;
    default:
      throw new InvalidRecoverabilityAction(`it is ${JSON.stringify(action)}`);
  }
}

function unknownAction(action: never): never {
  throw new InvariantBroken(`a recoverability action is one of four kinds, this one is ${JSON.stringify(action)}`);
}
