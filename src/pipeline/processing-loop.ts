import { failpoint } from '../io/failpoint.ts';
import type { Io, Timer } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import { Header } from '../message/headers.ts';
import { parseHeaders } from '../message/parse-headers.ts';
import { InvariantBroken, PosthornError } from '../message/posthorn-error.ts';
import type { CriticalErrorTrigger } from '../recoverability/critical-error-trigger.ts';
import { toError } from '../recoverability/errors.ts';
import { retryCountsOf } from '../recoverability/failure-headers.ts';
import type { Notifications } from '../recoverability/notifications.ts';
import type { RateLimiter } from '../recoverability/rate-limiter.ts';
import type { FailedMessage, RecoverabilityExecutor } from '../recoverability/recoverability-executor.ts';
import { runInTransaction } from '../transactions/ambient-transaction.ts';
import type { Delivery, Receiver } from '../transport/transport.ts';
import { Attempt, type Places } from './attempt.ts';
import type { Pipeline } from './behavior.ts';
import { HandlerAborted, TransactionTimedOut } from './errors.ts';
import { GivingUp } from './giving-up.ts';
import { beginMessageTransaction, type TransactionKind } from './message-transaction.ts';
import type { DeliveryStage } from './stages.ts';
import { TimeoutReaper } from './timeout-reaper.ts';

/**
 * The processing loop of one endpoint (DESIGN section 5):
 *
 *  1 peek: something is there
 *  2 begin the transaction of the mode
 *  3 receive: exactly one receiver gets the message
 *  4 deserialize; what cannot be read goes to the error queue
 *  5 behaviors and handlers; an exception rolls back, the message is back in its place
 *  6 immediate retries, 7 delayed retries, 8 error queue with the reason: recoverability, after the rollback, in a
 *    transaction of its own
 *
 * Invariants
 * - One pump receives; at most `concurrency` handlers run at a time, those that outlived their transaction included.
 * - A message stays locked until its outcome is durable. A commit whose answer is lost is in doubt: it is neither rolled
 *   back nor retried here, recovery settles it; one that it settles as rolled back is given back, uncounted.
 */
export class ProcessingLoop {
  readonly #parts: ProcessingLoopParts;
  readonly #reaper: TimeoutReaper<Attempt>;
  readonly #givingUp: GivingUp;
  readonly #places: Places;
  #concurrency: number;
  /** Handlers that run, abandoned ones included. */
  #handlersRunning = 0;
  /** Messages whose outcome is not settled yet. */
  #unsettled = 0;
  #isStopping = false;
  /** The stop's time is up: nothing starts any more. */
  #isAborting = false;
  #isWaking = false;
  #wakePump: (() => void) | undefined;
  #wakeStop: (() => void) | undefined;
  #pumping: Promise<void> = Promise.resolve();

  constructor(parts: ProcessingLoopParts) {
    this.#parts = parts;
    this.#concurrency = parts.concurrency;
    this.#reaper = new TimeoutReaper(parts.io, parts.timeoutMs, (attempt) => this.#timedOut(attempt));
    const { distributed } = parts.transactions;
    this.#givingUp = new GivingUp({ ...parts, distributed, waiting: () => this.#unsettled });
    this.#places = {
      free: () => {
        this.#handlersRunning--;
        this.lookAgain();
      },
      areOthersTaken: () => this.#handlersRunning > 0,
      givenUp: this.#givingUp.signal,
    };
  }

  get concurrency(): number {
    return this.#concurrency;
  }

  /** Takes effect at once when it grows, and as handlers end when it shrinks. */
  set concurrency(concurrency: number) {
    this.#concurrency = concurrency;
    this.lookAgain();
  }

  get handlersRunning(): number {
    return this.#handlersRunning;
  }

  start(): void {
    this.#pumping = this.#pump();
  }

  /**
   * Receives no more, waits for what runs, and after `timeoutMs` aborts it: those messages are available at once.
   * Resolves when every message is settled; neither a handler that ignores its signal is waited for, nor a database that does
   * not answer (giving-up.ts).
   */
  async stop(timeoutMs: number): Promise<void> {
    const { receiver, recoverability, limiter, io } = this.#parts;
    this.#isStopping = true;
    receiver.close();
    this.#wakePump?.();
    await this.#pumping;
    const deadline = io.timers.after(timeoutMs, () => this.#abortRunning(), { keepsProcessAlive: true });
    await this.#allSettled();
    deadline.cancel();
    this.#givingUp.cancel();
    recoverability.stop();
    limiter.stop();
    this.#reaper.stop();
  }

  /** While it stops: what still runs `timeoutMs` from now is aborted, whatever `stop` was told. */
  hurryStop(timeoutMs: number): void {
    this.#parts.io.timers.after(timeoutMs, () => this.#abortRunning());
  }

  /** More handlers may be allowed to run than before. */
  lookAgain(): void {
    if (this.#isWaking || this.#wakePump === undefined) return;
    if (this.#handlersRunning === 0 && this.#hasRoom()) {
      this.#wakePump();
      return;
    }
    this.#isWaking = true;
    // Commits are answered in groups: after all of a group the freed places are filled together.
    this.#parts.io.timers.soon(() => {
      this.#isWaking = false;
      if (this.#hasRoom()) this.#wakePump?.();
    });
  }

  async #pump(): Promise<void> {
    const { receiver, receiveTrigger, logger } = this.#parts;
    for (;;) {
      await this.#room();
      try {
        if (!(await receiver.peek())) return; // 1 peek
        const startedCount = this.#hasRoom() ? this.#startReceived() : undefined;
        if (startedCount === 0) await this.#pause(NOTHING_TO_START_PAUSE_MS);
        if (startedCount === STARTS_PER_TURN) await this.#turn();
      } catch (thrown) {
        const error = toError(thrown);
        logger.warn(`Receiving from queue '${receiver.queue}' failed and is tried again.`, { error });
        receiveTrigger.failed(`receive from queue '${receiver.queue}'`, error);
        await this.#pause(RECEIVE_FAILED_PAUSE_MS);
      }
      if (this.#isStopping) return;
    }
  }

  /** Receives for the free places, notes the starts with one write, then starts the handlers. */
  #startReceived(): number {
    const { receiver, io, receiveTrigger } = this.#parts;
    const received: Delivery[] = [];
    try {
      while (this.#hasRoom() && received.length < STARTS_PER_TURN) {
        const delivery = receiver.receive(); // 3 receive
        if (delivery === undefined) break;
        received.push(delivery);
        this.#handlersRunning++;
        this.#unsettled++;
      }
      if (received.length > 0) receiver.noteStarts();
    } finally {
      // Also when the next one could not be received: these are locked, and ours to settle.
      const nowMs = received.length > 0 ? io.clock.monotonicNowMs() : 0;
      for (const delivery of received) void this.#handle(delivery, nowMs);
    }
    receiveTrigger.succeeded();
    return received.length;
  }

  /** Steps 2 to 8 of one message. Never rejects. */
  async #handle(delivery: Delivery, nowMs: number): Promise<void> {
    const { transactions, pipeline } = this.#parts;
    let attempt: Attempt | undefined;
    try {
      const transaction = beginMessageTransaction(transactions, delivery); // 2 begin
      attempt = new Attempt(delivery, transaction, nowMs, this.#places);
      const starting = transaction.start(attempt);
      if (starting !== undefined) await starting;
      if (this.#isAborting) throw new HandlerAborted(this.#parts.endpoint);
      this.#reaper.watch(attempt);
      failpoint('loop.received-before-handler');
      await this.#run(attempt, pipeline); // 4 deserialize, 5 behaviors and handlers
      failpoint('loop.handled-before-commit');
      if (attempt.tryCommitting()) await transaction.commit();
      failpoint('loop.committed');
      if (attempt.tryEnding()) this.#succeeded(attempt);
    } catch (thrown) {
      if (attempt === undefined) await this.#postpone(delivery, toError(thrown));
      else await this.#failed(attempt, toError(thrown));
    }
    if (attempt === undefined) this.#places.free();
    else {
      this.#reaper.unwatch(attempt);
      attempt.freePlace();
    }
    if (attempt?.state !== 'abandoned') this.#settled();
  }

  /** Behaviors and handlers find a distributed transaction from anywhere below; in other modes there is none to find. */
  #run(attempt: Attempt, pipeline: Pipeline<DeliveryStage>): Promise<void> {
    const { distributed } = attempt.transaction;
    return distributed === undefined
      ? pipeline.run(attempt)
      : runInTransaction(distributed, () => pipeline.run(attempt));
  }

  #succeeded(attempt: Attempt): void {
    const { limiter, commitTrigger, notifications, endpoint, logger } = this.#parts;
    limiter.succeeded();
    commitTrigger.succeeded();
    const { incoming } = attempt;
    if (incoming === undefined) return;
    const { messageId, discardReason } = incoming;
    const messageType = incoming.known?.name;
    if (discardReason !== undefined) {
      logger.info(`Message '${messageId}' was discarded by its handler: ${discardReason}`, { messageId, messageType });
      notifications.emit('discarded', { endpoint, messageId, messageType, reason: discardReason, error: undefined });
    } else if (notifications.hasListeners('handled')) {
      const attempts = retryCountsOf(incoming.headers).attempts + attempt.failedBefore + 1;
      notifications.emit('handled', { endpoint, messageId, messageType, attempts });
    }
  }

  /** Steps 5 to 8: roll back, then recover. */
  async #failed(attempt: Attempt, error: Error): Promise<void> {
    const { recoverability, limiter, receiveTrigger } = this.#parts;
    const wasCommitting = attempt.state === 'committing';
    if (!attempt.tryEnding()) return;
    this.#reaper.unwatch(attempt);
    const { transaction } = attempt;
    if (transaction.isInDoubt) return this.#leaveInDoubt(attempt, error);
    const rollingBack = transaction.rollback();
    if (rollingBack !== undefined) await rollingBack;
    if (error instanceof InvariantBroken) return receiveTrigger.raise('go on handling messages', error);
    if (transaction.distributed?.isRefused === true) return recoverability.postpone(attempt.delivery, error);
    if (isRefusedByStore(attempt, wasCommitting, error)) return this.#postpone(attempt.delivery, error);
    limiter.failed(error);
    await recoverability.recover(this.#failedMessageOf(attempt, error));
  }

  /** Recovery says later what became of it; of queues alone the next opening of the store does. */
  #leaveInDoubt(attempt: Attempt, error: Error): void {
    const { recoverability } = this.#parts;
    const failed = this.#failedMessageOf(attempt, error);
    recoverability.leaveInDoubt(failed, error);
    void attempt.transaction.distributed?.whenSettled.then((outcome) => {
      if (outcome === 'committed') this.#succeeded(attempt);
      else recoverability.giveBack(failed);
    });
  }

  #postpone(delivery: Delivery, error: Error): Promise<void> {
    this.#parts.commitTrigger.failed('commit what handlers did', error);
    return this.#parts.recoverability.postpone(delivery, error);
  }

  #timedOut(attempt: Attempt): void {
    const { timeoutMs, logger, notifications, endpoint } = this.#parts;
    const error = new TransactionTimedOut(timeoutMs);
    if (!attempt.tryAbandoning(error)) return;
    const failed = this.#failedMessageOf(attempt, error);
    const { messageId, messageType } = failed;
    logger.warn(`Handling message '${messageId}' took longer than ${timeoutMs} ms.`, { messageId, messageType });
    notifications.emit('timedOut', { endpoint, messageId, messageType, timeoutMs });
    this.#parts.limiter.failed(error);
    void this.#recoverAbandoned(failed, attempt);
  }

  /** The handlers that still run have had their time. */
  #abortRunning(): void {
    const { endpoint, recoverability } = this.#parts;
    this.#isAborting = true;
    if (this.#unsettled > 0) this.#givingUp.begin();
    for (const attempt of this.#reaper.running()) {
      const error = new HandlerAborted(endpoint);
      if (!attempt.tryAbandoning(error)) continue;
      if (attempt.transaction.hasLeftQueue) void this.#recoverAbandoned(this.#failedMessageOf(attempt, error), attempt);
      else {
        attempt.delivery.release();
        void this.#rolledBack(attempt);
      }
    }
    recoverability.stop();
  }

  /** Databases may take their time to roll back: the message does not wait for them, a stop does. */
  async #recoverAbandoned(failed: FailedMessage, attempt: Attempt): Promise<void> {
    await this.#parts.recoverability.recover(failed);
    await this.#rolledBack(attempt);
  }

  async #rolledBack({ rollingBack }: Attempt): Promise<void> {
    if (rollingBack !== undefined) await rollingBack;
    this.#settled();
  }

  #failedMessageOf(attempt: Attempt, error: Error): FailedMessage {
    const { delivery, incoming, transaction } = attempt;
    // A damaged message was stopped before its envelope; what of it can be read still names it.
    const headers = incoming?.headers ?? parseHeaders(delivery.headers);
    return {
      delivery,
      error,
      headers,
      messageId: incoming?.messageId ?? headers?.[Header.messageId] ?? this.#parts.io.random.uuid(),
      messageType: incoming?.known?.name,
      hasLeftQueue: transaction.hasLeftQueue,
    };
  }

  #hasRoom(): boolean {
    const { limiter, fence } = this.#parts;
    if (limiter.isPausing || fence?.isUp === true) return false;
    const handlersMax = limiter.isLimiting ? 1 : this.#concurrency;
    return this.#handlersRunning < handlersMax && this.#unsettled < handlersMax * UNSETTLED_PER_HANDLER_MAX;
  }

  /** Resolves when a handler may start, or the loop stops. */
  async #room(): Promise<void> {
    while (!this.#isStopping && !this.#hasRoom()) {
      await new Promise<void>((resolve) => {
        this.#wakePump = resolve;
      });
      this.#wakePump = undefined;
    }
  }

  #pause(pauseMs: number): Promise<void> {
    if (this.#isStopping) return Promise.resolve();
    return new Promise((resolve) => {
      const timer: Timer = this.#parts.io.timers.after(pauseMs, () => this.#wakePump?.(), { keepsProcessAlive: true });
      this.#wakePump = () => {
        timer.cancel();
        this.#wakePump = undefined;
        resolve();
      };
    });
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#parts.io.timers.soon(resolve));
  }

  #settled(): void {
    this.#unsettled--;
    if (this.#unsettled === 0) this.#wakeStop?.();
    this.lookAgain();
  }

  #allSettled(): Promise<void> {
    if (this.#unsettled === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wakeStop = resolve;
    });
  }
}

export interface ProcessingLoopParts {
  readonly endpoint: string;
  readonly transactions: TransactionKind;
  readonly receiver: Receiver;
  /** Undefined without databases. While one is fenced nothing is received; `lookAgain` when that changes. */
  readonly fence: { readonly isUp: boolean } | undefined;
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly pipeline: Pipeline<DeliveryStage>;
  readonly recoverability: RecoverabilityExecutor;
  readonly limiter: RateLimiter;
  /** Hears of queues that cannot be read. */
  readonly receiveTrigger: CriticalErrorTrigger;
  /** Hears of commits that the store refuses. */
  readonly commitTrigger: CriticalErrorTrigger;
  readonly notifications: Notifications;
  readonly logger: Logger;
  readonly io: Io;
}

/**
 * Handlers that start together also commit together, and until then the store has nothing to do. With a few at a time it
 * writes what some have done while others still run. With 64 at a time, on a noisy machine: 28,000 to 47,000 messages/s with
 * 16 a turn, 30,000 to 41,000 with all of them.
 */
const STARTS_PER_TURN = 16;
/** Messages whose handlers are done and whose last unit is not written yet keep no place; this many wait for the store at most. */
const UNSETTLED_PER_HANDLER_MAX = 4;
const RECEIVE_FAILED_PAUSE_MS = 1_000;
/** Something is there that may not start yet, as next to a message that must run alone. Rare, so a short pause will do. */
const NOTHING_TO_START_PAUSE_MS = 10;

/** The store said no for reasons of its own (a full disk, a failed sync): not the message's fault, so not counted. */
function isRefusedByStore(attempt: Attempt, wasCommitting: boolean, error: Error): boolean {
  const isOurs = wasCommitting || (attempt.incoming === undefined && !attempt.transaction.hasLeftQueue);
  return isOurs && error instanceof PosthornError && error.code.startsWith('STORE_');
}
