import type { Timers } from '../../src/io/io.ts';
import {
  type Connection,
  type NameAnswer,
  NameFailure,
  type Names,
  type Network,
  NetworkFailure,
  type NetworkListener,
} from '../../src/io/network.ts';

/** A door to names whose table the test writes; it answers at once, or not at all. */
export class FakeNames implements Names {
  readonly lookups: { readonly name: string; readonly atMs: number }[] = [];
  readonly #timers: Timers;
  readonly #nowMs: () => number;
  readonly #table = new Map<string, readonly string[] | NameFailure['code']>();

  constructor(timers: Timers, nowMs: () => number) {
    this.#timers = timers;
    this.#nowMs = nowMs;
  }

  /** Addresses, or what is wrong with the name; a name that was never set is `NOT_FOUND`. */
  set(name: string, answer: readonly string[] | NameFailure['code']): void {
    this.#table.set(name, answer);
  }

  resolve(name: string, timeoutMs: number): Promise<NameAnswer> {
    this.lookups.push({ name, atMs: this.#nowMs() });
    const answer = this.#table.get(name) ?? 'NOT_FOUND';
    if (typeof answer !== 'string') return Promise.resolve({ addresses: answer, source: 'DNS 10.0.0.2' });
    const failure = new NameFailure(answer, FAILURE_TEXTS[answer]);
    if (answer !== 'TIMEOUT') return Promise.reject(failure);
    return new Promise((_, reject) => this.#timers.after(timeoutMs, () => reject(failure)));
  }
}

const FAILURE_TEXTS = {
  NOT_FOUND: 'nobody knows it',
  SERVER_FAILED: 'the name server 10.0.0.2 failed',
  TIMEOUT: 'the name server 10.0.0.2 does not answer',
} as const;

/** A door to a network of which only the addresses of this machine are of interest. */
export class FakeNetwork implements Network {
  ownAddresses: readonly string[] = ['127.0.0.1', '10.0.0.1'];

  interfaceAddresses(): readonly string[] {
    return this.ownAddresses;
  }

  connect(): Promise<Connection> {
    return Promise.reject(new NetworkFailure('OTHER', 'nothing is dialled over this network'));
  }

  listen(): Promise<NetworkListener> {
    return Promise.reject(new NetworkFailure('OTHER', 'nobody listens on this network'));
  }
}
