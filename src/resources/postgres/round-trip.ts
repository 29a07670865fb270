import type { Submittable } from 'pg';

/**
 * Statements of ours in one round trip, and behind them one of the branch's user if there is one. Each is sent by the extended
 * protocol, with one Sync behind all of them: after the first that fails the server skips the others, so that what stands
 * behind BEGIN never runs outside of its transaction, and COMMIT never without what stands before it.
 *
 * The driver asks for a query object by the methods below; what belongs to our statements is kept here, the rest is passed on.
 */
export class RoundTrip implements Submittable {
  /**
   * The driver puts another one here where its user has set a time for all queries, and calls this one when that is over; the
   * oldest drivers do so without looking whether there is one.
   */
  callback: () => void = () => undefined;
  readonly #session: RoundTripSession;
  readonly #own: readonly OwnStatement[];
  readonly #last: DriverQuery | undefined;
  readonly #listener: RoundTripListener;
  /** Names of statements that the session is sure to keep once all have succeeded. */
  readonly #kept: string[] = [];
  readonly #tags: string[] = [];
  readonly #rows: TextRow[] = [];
  #hasFailed = false;

  constructor(
    session: RoundTripSession,
    own: readonly OwnStatement[],
    listener: RoundTripListener,
    last?: DriverQuery,
  ) {
    this.#session = session;
    this.#own = own;
    this.#last = last;
    this.#listener = listener;
  }

  submit(connection: unknown): unknown {
    const wire = connection as Wire;
    this.#session.expectTags(this.#own.length);
    wire.stream.cork();
    try {
      for (const statement of this.#own) this.#write(wire, statement);
      if (this.#last !== undefined) return this.#last.submit(wire);
      wire.sync();
      return null;
    } finally {
      wire.stream.uncork();
    }
  }

  /** Set by the driver where its user wants results in binary. */
  set binary(binary: unknown) {
    if (this.#last !== undefined) this.#last.binary = binary;
  }

  handleRowDescription(message: unknown): void {
    this.#last?.handleRowDescription(message);
  }

  handleDataRow(message: { readonly fields: TextRow }): void {
    if (this.#isInLast) this.#last?.handleDataRow(message);
    else this.#rows.push(message.fields);
  }

  handleCommandComplete(message: { readonly text: string }, connection: unknown): void {
    if (this.#isInLast) {
      this.#last?.handleCommandComplete(message, connection);
      return;
    }
    this.#tags.push(message.text);
    if (!this.#isInLast) return;
    for (const name of this.#kept) this.#session.keep(name);
    if (this.#last !== undefined && !this.#hasFailed) this.#ownDone();
  }

  handleEmptyQuery(connection: unknown): void {
    this.#last?.handleEmptyQuery(connection);
  }

  handlePortalSuspended(connection: unknown): void {
    this.#last?.handlePortalSuspended(connection);
  }

  handleCopyInResponse(connection: unknown): void {
    this.#last?.handleCopyInResponse(connection);
  }

  handleCopyData(message: unknown, connection: unknown): void {
    this.#last?.handleCopyData(message, connection);
  }

  /**
   * Also when the connection is lost, at whatever moment before the server is ready again. Of a failure of ours the statement
   * behind them is told by whoever sent it.
   */
  handleError(error: Error, connection: unknown): void {
    // The driver tells once more of what it has given up before, when its time was over.
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.callback();
    if (this.#last !== undefined && this.#isInLast) {
      this.#last.handleError(error, connection);
      return;
    }
    // Those that were skipped have none.
    this.#session.expectTags(0);
    this.#listener.ownFailed(error);
  }

  handleReadyForQuery(connection: unknown): void {
    // What the driver has given up is answered all the same.
    if (this.#hasFailed) return;
    this.callback();
    if (this.#last === undefined) this.#ownDone();
    else this.#last.handleReadyForQuery(connection);
  }

  #ownDone(): void {
    this.#listener.ownDone({ tags: this.#tags, rows: this.#rows });
  }

  get #isInLast(): boolean {
    return this.#tags.length === this.#own.length;
  }

  #write(wire: Wire, { text, values = [], isKept = false }: OwnStatement): void {
    const name = isKept ? this.#session.nameOf(text) : '';
    const isKnown = isKept && this.#session.keeps(name);
    if (isKept && !isKnown) {
      // An attempt that failed may have left it there. Of a name that is not there the server says nothing.
      wire.close({ type: 'S', name });
      this.#kept.push(name);
    }
    if (!isKnown) wire.parse({ text, name });
    wire.bind({ statement: name, values });
    wire.execute({});
  }
}

export interface OwnStatement {
  readonly text: string;
  readonly values?: readonly string[];
  /** The session remembers it, and plans it once. Only for texts that are few. */
  readonly isKept?: boolean;
}

/** What our statements said: the tags of all, and the rows as text. */
export interface RoundTripAnswer {
  readonly tags: readonly string[];
  readonly rows: readonly TextRow[];
}

export type TextRow = readonly (string | null)[];

/** One of the two is called, once. */
export interface RoundTripListener {
  /** All of our statements were carried out, and the session is ready again, unless one behind them is still to come. */
  ownDone(answer: RoundTripAnswer): void;
  ownFailed(error: Error): void;
}

/** The connection that it runs on. */
export interface RoundTripSession {
  /** So many of the next tags are those of our own statements. */
  expectTags(count: number): void;
  /** The same for each time that it is asked for one text. */
  nameOf(text: string): string;
  /** Whether it is known that the session has the statement of this name. */
  keeps(name: string): boolean;
  keep(name: string): void;
}

/** What the driver calls on a query object, and what query objects call on its connection. */
export interface DriverQuery {
  binary?: unknown;
  submit(connection: unknown): unknown;
  handleRowDescription(message: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: unknown): void;
  handleEmptyQuery(connection: unknown): void;
  handlePortalSuspended(connection: unknown): void;
  handleCopyInResponse(connection: unknown): void;
  handleCopyData(message: unknown, connection: unknown): void;
  handleError(error: Error, connection: unknown): void;
  handleReadyForQuery(connection: unknown): void;
}

interface Wire {
  readonly stream: { cork(): void; uncork(): void };
  close(statement: { readonly type: 'S'; readonly name: string }): void;
  parse(statement: { readonly text: string; readonly name: string }): void;
  bind(portal: { readonly statement: string; readonly values: readonly string[] }): void;
  execute(portal: Record<string, never>): void;
  sync(): void;
}
