import type { Clock, Timer, Timers } from '../../io/io.ts';
import { RequestTimedOut } from '../../transactions/errors.ts';
import { shownStatement } from './shown-statement.ts';

/**
 * The second look at sessions that do not answer (R2). A connection may die without a sign: an address that moved, a firewall
 * that forgot. So a request that is pending for `lookAfterMs` makes us ask the server over another connection:
 *
 *     pending ──3 s──▶ look: running ──▶ wait on, look again
 *        │              ├── absent ──▶ dead: that session is gone, and its connection with it
 *        │              ├── idle ──▶ look again; idle still, and no byte arrived between ──▶ dead: the answer was lost
 *        │              └── (no answer to the look) ──▶ wait on, look again
 *        └──timeoutMs──▶ dead, whatever the looks said
 *
 * `dead` runs once at most, and never after `done`. It is for the owner of the connection to cut it.
 */
export class SessionWatch {
  readonly #options: SessionWatchOptions;

  constructor(options: SessionWatchOptions) {
    this.#options = options;
  }

  /** Watches one request from now until `done`. */
  watch(request: WatchedRequest): Watched {
    const watched = new PendingRequest(this.#options, request);
    return { done: () => watched.done() };
  }

  /** Settles as `answer` does, or rejects with REQUEST_TIMED_OUT after `request.cut` has run. */
  guard<Result>(request: Omit<WatchedRequest, 'dead'> & { cut(): void }, answer: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const dead = (error: RequestTimedOut): void => {
        reject(error);
        request.cut();
      };
      const watched = this.watch({ ...request, dead });
      answer.then(
        (result) => {
          watched.done();
          resolve(result);
        },
        (error: unknown) => {
          watched.done();
          reject(error);
        },
      );
    });
  }
}

export interface SessionWatchOptions {
  readonly resource: string;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly lookAfterMs: number;
  /** Asks the server over another connection. @throws when that cannot be told */
  look(session: string): Promise<SessionSight>;
}

/** `absent`: the server does not know this session · `idle`: it runs nothing, so it has answered · `running` */
export type SessionSight = 'absent' | 'idle' | 'running';

export interface WatchedRequest {
  readonly session: string;
  /** For people: what was asked, a word or the statement. */
  readonly what: string;
  readonly timeoutMs: number;
  /** How many bytes have arrived on the connection by now. */
  bytesRead(): number;
  dead(error: RequestTimedOut): void;
}

export interface Watched {
  /** Answered, or given up: nothing is watched any more. */
  done(): void;
}

/** After a look that settled nothing. */
const LOOK_AGAIN_MS = 2000;

class PendingRequest {
  readonly #options: SessionWatchOptions;
  readonly #request: WatchedRequest;
  readonly #startedMs: number;
  #timer: Timer;
  #isDone = false;
  /** Bytes that had arrived when the server said that it is idle. */
  #idleAtBytes: number | undefined;

  constructor(options: SessionWatchOptions, request: WatchedRequest) {
    this.#options = options;
    this.#request = request;
    this.#startedMs = options.clock.monotonicNowMs();
    this.#timer = this.#after(options.lookAfterMs);
  }

  done(): void {
    this.#isDone = true;
    this.#timer.cancel();
  }

  #after(delayMs: number): Timer {
    const leftMs = this.#request.timeoutMs - this.#elapsedMs();
    const wake = (): void => (this.#elapsedMs() >= this.#request.timeoutMs ? this.#timeIsUp() : this.#look());
    return this.#options.timers.after(Math.max(0, Math.min(delayMs, leftMs)), wake, { keepsProcessAlive: true });
  }

  #look(): void {
    // The deadline goes on while the look is under way.
    this.#timer = this.#after(this.#request.timeoutMs);
    this.#options.look(this.#request.session).then(
      (sight) => this.#seen(sight),
      () => this.#seen('running'),
    );
  }

  #seen(sight: SessionSight): void {
    if (this.#isDone) return;
    const bytes = this.#request.bytesRead();
    if (sight === 'absent') {
      this.#dead('the server does not know its session any more');
    } else if (sight === 'idle' && this.#idleAtBytes === bytes) {
      this.#dead('the server has answered, and the answer did not arrive');
    } else {
      this.#idleAtBytes = sight === 'idle' ? bytes : undefined;
      this.#timer.cancel();
      this.#timer = this.#after(LOOK_AGAIN_MS);
    }
  }

  #timeIsUp(): void {
    this.#dead('it is running still, or cannot be reached');
  }

  #dead(why: string): void {
    if (this.#isDone) return;
    this.done();
    const { what, dead } = this.#request;
    dead(new RequestTimedOut(this.#options.resource, shownStatement(what), Math.round(this.#elapsedMs()), why));
  }

  #elapsedMs(): number {
    return this.#options.clock.monotonicNowMs() - this.#startedMs;
  }
}
