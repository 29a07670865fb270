import type { Io } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import type { CriticalError, Notifications } from './notifications.ts';

/** NServiceBus' circuit breakers trip after this long (nservicebus-and-msmq.md 1.1). */
const FAILING_MS_MAX = 30_000;
/** And not before this many, so that one slow failure is not taken for a lasting one. */
const FAILURES_MIN = 3;

/**
 * Raises a critical error when something outside the handlers has failed for 30 seconds without one success.
 *
 *     well ──failed──▶ failing ──30 s and 3 failures──▶ raised
 *      ▲                  │                               │
 *      └────succeeded─────┴───────────succeeded───────────┘
 *
 * The endpoint goes on trying in every state; what else happens is the user's `onCriticalError`.
 */
export class CriticalErrorTrigger {
  readonly #parts: CriticalErrorTriggerParts;
  #failingSinceMs: number | undefined;
  #failures = 0;
  #isRaised = false;

  constructor(parts: CriticalErrorTriggerParts) {
    this.#parts = parts;
  }

  failed(what: string, error: Error): void {
    const nowMs = this.#parts.io.clock.monotonicNowMs();
    this.#failingSinceMs ??= nowMs;
    this.#failures++;
    const isLasting = nowMs - this.#failingSinceMs >= FAILING_MS_MAX && this.#failures >= FAILURES_MIN;
    if (isLasting && !this.#isRaised) this.raise(what, error);
  }

  succeeded(): void {
    if (this.#failures === 0 && !this.#isRaised) return;
    this.#failingSinceMs = undefined;
    this.#failures = 0;
    this.#isRaised = false;
  }

  /** At once, for what going on cannot mend. */
  raise(what: string, error: Error): void {
    this.#isRaised = true;
    const { endpoint, io, logger, notifications, onCriticalError } = this.#parts;
    const failingForMs = Math.round(io.clock.monotonicNowMs() - (this.#failingSinceMs ?? io.clock.monotonicNowMs()));
    const critical: CriticalError = { endpoint, what, error, failingForMs, failures: this.#failures };
    logger.error(`Critical error in endpoint '${endpoint}': cannot ${what}. ${error.message}`, { error, failingForMs });
    notifications.emit('criticalError', critical);
    // Off the processing loop's stack: the action may well stop the endpoint.
    io.timers.soon(() => void callSafely(onCriticalError, critical, logger));
  }
}

export interface CriticalErrorTriggerParts {
  readonly endpoint: string;
  readonly io: Io;
  readonly logger: Logger;
  readonly notifications: Notifications;
  readonly onCriticalError: ((critical: CriticalError) => void | Promise<void>) | undefined;
}

async function callSafely(
  action: CriticalErrorTriggerParts['onCriticalError'],
  critical: CriticalError,
  logger: Logger,
): Promise<void> {
  try {
    await action?.(critical);
  } catch (error) {
    logger.error('The critical error action itself failed.', { error });
  }
}
