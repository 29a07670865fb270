import type { Io, Timer } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import { countOf } from '../message/wording.ts';
import type { Notifications } from './notifications.ts';
import type { RateLimitOptions } from './recoverability-config.ts';

/**
 * Slows an endpoint down when one message after the other fails, as when a database is away: then more speed only
 * fills the error queue (NServiceBus 7.6, OnConsecutiveFailures).
 *
 *     open ──n-th failure in a row──▶ limiting ──first success──▶ open
 *
 * While limiting, one handler runs at a time and a pause follows each failure.
 */
export class RateLimiter {
  readonly #parts: RateLimiterParts;
  #consecutiveFailures = 0;
  #isLimiting = false;
  #pause: Timer | undefined;

  constructor(parts: RateLimiterParts) {
    this.#parts = parts;
  }

  get isLimiting(): boolean {
    return this.#isLimiting;
  }

  /** True while the pause after a failure lasts: no handler may start. */
  get isPausing(): boolean {
    return this.#pause !== undefined;
  }

  failed(error: Error): void {
    const { options, logger, notifications, endpoint } = this.#parts;
    if (options === undefined || !this.#counts(error)) return;
    this.#consecutiveFailures++;
    if (this.#consecutiveFailures < options.afterConsecutiveFailures) return;
    if (!this.#isLimiting) {
      this.#isLimiting = true;
      logger.warn(`Endpoint '${endpoint}' slows down: ${countOf(this.#consecutiveFailures, 'failure')} in a row.`, {
        error,
      });
      notifications.emit('rateLimitBegan', { endpoint, consecutiveFailures: this.#consecutiveFailures });
    }
    this.#startPause(options.pauseMs ?? PAUSE_MS_DEFAULT);
  }

  succeeded(): void {
    if (this.#consecutiveFailures === 0) return;
    this.#consecutiveFailures = 0;
    if (!this.#isLimiting) return;
    const { logger, notifications, endpoint, onChange } = this.#parts;
    this.#isLimiting = false;
    this.stop();
    logger.warn(`Endpoint '${endpoint}' is back to full speed: a message was handled.`);
    notifications.emit('rateLimitEnded', { endpoint });
    onChange();
  }

  /** Ends a pause for good. */
  stop(): void {
    this.#pause?.cancel();
    this.#pause = undefined;
  }

  /** The filter is the user's code: when it fails, the failure counts. */
  #counts(error: Error): boolean {
    try {
      return this.#parts.options?.countsError?.(error) !== false;
    } catch (thrown) {
      this.#parts.logger.error("The rate limit's countsError threw; the failure counts.", { error: thrown });
      return true;
    }
  }

  #startPause(pauseMs: number): void {
    this.stop();
    this.#pause = this.#parts.io.timers.after(
      pauseMs,
      () => {
        this.#pause = undefined;
        this.#parts.onChange();
      },
      { keepsProcessAlive: true },
    );
  }
}

export const PAUSE_MS_DEFAULT = 1000;

export interface RateLimiterParts {
  /** Undefined: never limits. */
  readonly options: RateLimitOptions | undefined;
  readonly endpoint: string;
  readonly io: Io;
  readonly logger: Logger;
  readonly notifications: Notifications;
  /** More may start than before. */
  readonly onChange: () => void;
}
