import type { Io, Timer } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import { RequestTimedOut } from '../transactions/errors.ts';
import { STOP_ANSWER_MS_MAX } from '../transactions/limits.ts';
import type { DistributedParts } from './distributed-work.ts';

/**
 * The last step of a stop: databases that do not answer are not waited for.
 *
 *     stop ──its time──▶ what runs is aborted ──2 s, for the answers of databases that are well──▶ `signal`, and a line in the log
 *
 * Nothing is lost by it: see `TransactionRequest.givenUp`.
 */
export class GivingUp {
  readonly #parts: GivingUpParts;
  readonly #controller = new AbortController();
  #timer: Timer | undefined;

  constructor(parts: GivingUpParts) {
    this.#parts = parts;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What runs was aborted just now. Twice is harmless: the first one counts. */
  begin(): void {
    this.#timer ??= this.#parts.io.timers.after(STOP_ANSWER_MS_MAX, () => this.#giveUp(), { keepsProcessAlive: true });
  }

  /** Everything has ended by itself. */
  cancel(): void {
    this.#timer?.cancel();
  }

  #giveUp(): void {
    const { distributed, logger, waiting } = this.#parts;
    const { endpoint, resources } = distributed;
    if (resources.length === 0) return;
    const names = resources.map(({ name }) => name);
    logger.warn(
      `Endpoint '${endpoint}' stops without waiting longer for its databases (${names.join(', ')}). Transactions that are not settled there: ${waiting()}. The next start settles them; messages that are in doubt stay locked until then.`,
      { endpoint, resources: names },
    );
    const reason = new RequestTimedOut(
      names.join("' or '"),
      'what was asked last',
      STOP_ANSWER_MS_MAX,
      `the stop of endpoint '${endpoint}' waits no longer`,
    );
    this.#controller.abort(reason);
  }
}

export interface GivingUpParts {
  readonly distributed: Pick<DistributedParts, 'endpoint' | 'resources'>;
  readonly logger: Logger;
  readonly io: Io;
  /** How many transactions are waited for. */
  waiting(): number;
}
