import type { Clock, Timer, Timers } from '../../io/io.ts';
import { Roster } from '../../io/roster.ts';
import { RequestTimedOut } from '../../transactions/errors.ts';
import { shownStatement } from './shown-statement.ts';

/**
 * The second look at sessions that do not answer (R2). A connection may die without a sign: an address that moved, a firewall
 * that forgot. So a request that is pending for `lookAfterMs` makes us ask the server over another connection:
 *
 *     pending ──3 s──▶ look: running ──▶ wait on, look again
 *        │              ├── absent ──▶ dead: that session is gone, and its connection with it
 *        │              ├── idle ──▶ look again; idle still, and no byte arrived between ──▶ dead: the answer was lost
 *        │              │            (idle is also a server that is still reading the request: not while we send it)
 *        │              └── (no answer to the look) ──▶ wait on, look again
 *        └──timeoutMs──▶ dead, whatever the looks said
 *
 * `dead` comes once at most, and never after `done`: the connection is cut.
 *
 * Nearly every request is answered before its first look. All have the same time until then, so the one that was asked first is
 * due first, and one timer for all of them is armed about once in that time; who is due gets a timer of its own. The shared one
 * keeps no process alive: a connection on which something is asked does.
 */
export class SessionWatch {
  readonly #options: SessionWatchOptions;
  /** Not due yet, in the order in which they were asked. */
  readonly #young = new Roster<PendingRequest>();
  #timer: Timer | undefined;

  constructor(options: SessionWatchOptions) {
    this.#options = options;
  }

  /** Watches one request from now until `done`. */
  watch(request: WatchedRequest): Watched {
    const { lookAfterMs } = this.#options;
    const pending = new PendingRequest(this.#options, request);
    if (request.timeoutMs <= lookAfterMs) pending.wakeAfter(request.timeoutMs);
    else {
      this.#young.add(pending);
      if (this.#timer === undefined) this.#arm(lookAfterMs);
    }
    return {
      done: () => {
        this.#young.remove(pending);
        pending.done();
      },
    };
  }

  #arm(delayMs: number): void {
    this.#timer = this.#options.timers.after(delayMs, () => this.#wakeThoseDue());
  }

  #wakeThoseDue(): void {
    this.#timer = undefined;
    for (let pending = this.#young.first; pending !== undefined; pending = this.#young.first) {
      const remainingMs = this.#options.lookAfterMs - pending.elapsedMs;
      if (remainingMs > 0) {
        this.#arm(remainingMs);
        return;
      }
      this.#young.remove(pending);
      pending.wake();
    }
  }

  /** Settles as `answer` does, or rejects with REQUEST_TIMED_OUT before the connection is cut. */
  guard<Result>(request: Omit<WatchedRequest, 'dead'>, answer: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const watched = this.watch({ ...request, dead: reject });
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
  readonly connection: WatchedConnection;
  /** For people: what was asked, a word or the statement. */
  readonly what: string;
  readonly timeoutMs: number;
  /** Before the connection is cut. */
  dead?(error: RequestTimedOut): void;
}

export interface WatchedConnection {
  readonly session: string;
  /** How many bytes have arrived on it by now. */
  readonly bytesRead: number;
  /** How many bytes the network has not taken yet. */
  readonly bytesUnsent: number;
  /** What still runs on it fails with `reason`. */
  destroy(reason: Error): void;
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
  #timer: Timer | undefined;
  #isDone = false;
  /** Bytes that had arrived when the server said that it is idle. */
  #idleAtBytes: number | undefined;

  constructor(options: SessionWatchOptions, request: WatchedRequest) {
    this.#options = options;
    this.#request = request;
    this.#startedMs = options.clock.monotonicNowMs();
  }

  get elapsedMs(): number {
    return this.#options.clock.monotonicNowMs() - this.#startedMs;
  }

  done(): void {
    this.#isDone = true;
    this.#timer?.cancel();
  }

  wakeAfter(delayMs: number): void {
    const leftMs = Math.max(0, this.#request.timeoutMs - this.elapsedMs);
    this.#timer?.cancel();
    this.#timer = this.#options.timers.after(Math.min(delayMs, leftMs), () => this.wake(), { keepsProcessAlive: true });
  }

  wake(): void {
    if (this.elapsedMs >= this.#request.timeoutMs) this.#timeIsUp();
    else this.#look();
  }

  #look(): void {
    // The deadline goes on while the look is under way.
    this.wakeAfter(this.#request.timeoutMs);
    this.#options.look(this.#request.connection.session).then(
      (sight) => this.#seen(sight),
      () => this.#seen('running'),
    );
  }

  #seen(sight: SessionSight): void {
    if (this.#isDone) return;
    const { bytesRead: bytes, bytesUnsent } = this.#request.connection;
    const hasAnswered = sight === 'idle' && bytesUnsent === 0;
    if (sight === 'absent') {
      this.#dead('the server does not know its session any more');
    } else if (hasAnswered && this.#idleAtBytes === bytes) {
      this.#dead('the server has answered, and the answer did not arrive');
    } else {
      this.#idleAtBytes = hasAnswered ? bytes : undefined;
      this.wakeAfter(LOOK_AGAIN_MS);
    }
  }

  #timeIsUp(): void {
    this.#dead('it is running still, or cannot be reached');
  }

  #dead(why: string): void {
    if (this.#isDone) return;
    this.done();
    const { connection, what, dead } = this.#request;
    const elapsedMs = Math.round(this.elapsedMs);
    const error = new RequestTimedOut(this.#options.resource, shownStatement(what), elapsedMs, why);
    dead?.(error);
    connection.destroy(error);
  }
}
