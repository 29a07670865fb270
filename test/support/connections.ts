import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import {
  type Connection,
  type ListenTarget,
  type Network,
  NetworkFailure,
  type NetworkListener,
} from '../../src/io/network.ts';

/** A listener of this test on a free port of loopback: who was let in, and who was refused, in the order they came. */
export async function listening(
  t: TestContext,
  network: Network,
  target: Partial<ListenTarget> = {},
): Promise<ListeningTest> {
  const accepted = new Arrivals<Connection>();
  const refused = new Arrivals<{ readonly remoteAddress: string; readonly failure: NetworkFailure }>();
  const listener = await network.listen(
    { address: '127.0.0.1', port: 0, ...target },
    {
      accept: (connection) => {
        t.after(() => connection.destroy());
        accepted.add(connection);
      },
      refused: (refusal) => refused.add(refusal),
      failed: (failure) => assert.fail(failure),
    },
  );
  t.after(() => listener.close());
  return { listener, accepted: () => accepted.next(), refused: () => refused.next() };
}

export interface ListeningTest {
  readonly listener: NetworkListener;
  accepted(): Promise<Connection>;
  refused(): Promise<{ readonly remoteAddress: string; readonly failure: NetworkFailure }>;
}

/** What comes, kept for who asks for the next. */
export class Arrivals<Value> {
  readonly #come: Value[] = [];
  readonly #awaited: ((value: Value) => void)[] = [];

  add(value: Value): void {
    const awaited = this.#awaited.shift();
    if (awaited === undefined) this.#come.push(value);
    else awaited(value);
  }

  next(): Promise<Value> {
    return new Promise((resolve) => {
      const come = this.#come.shift();
      if (come === undefined) this.#awaited.push(resolve);
      else resolve(come);
    });
  }
}

/** Listens to a connection: what it says, and how it ends. */
export function ended(connection: Connection): EndedConnection {
  const closed = Promise.withResolvers<NetworkFailure | undefined>();
  let said = '';
  let heard = Promise.withResolvers<void>();
  connection.listen({
    onBytes: (bytes) => {
      said += Buffer.from(bytes).toString('latin1');
      heard.resolve();
      heard = Promise.withResolvers();
    },
    onClosed: (failure) => closed.resolve(failure),
  });
  return {
    connection,
    closed: closed.promise,
    get said() {
      return said;
    },
    async says(text) {
      while (!said.includes(text)) await heard.promise;
    },
  };
}

export interface EndedConnection {
  readonly connection: Connection;
  /** Why it closed; undefined when in order. */
  readonly closed: Promise<NetworkFailure | undefined>;
  readonly said: string;
  says(text: string): Promise<void>;
}

/** The failure of what must fail. */
export async function failureOf(attempt: Promise<unknown>): Promise<NetworkFailure> {
  const failure = await attempt.then(
    () => assert.fail('it succeeded'),
    (error: unknown) => error,
  );
  assert.ok(failure instanceof NetworkFailure, String(failure));
  return failure;
}

export const silentHandlers = { accept: () => undefined, refused: () => undefined, failed: () => undefined };
