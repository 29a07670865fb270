import type { Clock, Timer, Timers } from '../../io/io.ts';
import { addressWithPort, isLoopback } from '../../io/ip-address.ts';
import type { Logger } from '../../io/logger.ts';
import {
  type Connection,
  type Network,
  NetworkFailure,
  type NetworkListener,
  type TlsMaterial,
} from '../../io/network.ts';
import { LISTEN_RETRY_MS_MAX, LISTEN_RETRY_MS_MIN } from './limits.ts';

/**
 * One address on which this machine listens, for ever: whatever takes it away, it comes back.
 *
 *     off ──start()──▶ binding ──▶ listening ──broken | address gone | rebind()──▶ waiting ──timer | addresses changed──▶ binding
 *                         └──in use | no such address | …──▶ waiting (0.5 s, doubled up to 30 s)
 *
 * Every interface (`::`) becomes every IPv4 interface (`0.0.0.0`) on a machine without IPv6.
 */
export class ListeningAddress {
  readonly address: string;
  /** One that many machines do not have (`::1`): its absence is nobody's trouble. */
  readonly isOptional: boolean;
  readonly #options: ListeningAddressOptions;
  #port: number;
  #listener: NetworkListener | undefined;
  /** Binding and closing, one after the other. */
  #work: Promise<void> = Promise.resolve();
  #isOff = true;
  #timer: Timer | undefined;
  #retryMs = LISTEN_RETRY_MS_MIN;
  #sinceMs: number | undefined;
  #failure: NetworkFailure | undefined;

  constructor(options: ListeningAddressOptions) {
    this.address = options.address;
    this.isOptional = options.isOptional;
    this.#port = options.port;
    this.#options = options;
  }

  /** The port in use; the one asked for while there is none. */
  get port(): number {
    return this.#port;
  }

  get isListening(): boolean {
    return this.#listener !== undefined;
  }

  /** What it is bound to: `0.0.0.0` may stand in for `::`. */
  get boundAddress(): string {
    return this.#listener?.address ?? this.address;
  }

  /** Unix time since when it listens. */
  get sinceMs(): number | undefined {
    return this.#sinceMs;
  }

  /** Why it does not listen. */
  get failure(): NetworkFailure | undefined {
    return this.#failure;
  }

  /** Resolves after the first attempt, however that ended. */
  start(port: number): Promise<void> {
    this.#isOff = false;
    this.#port = port;
    return this.#bind();
  }

  async stop(): Promise<void> {
    this.#isOff = true;
    this.#timer?.cancel();
    await this.#queue(() => this.#unbind());
  }

  /** TLS that was replaced holds for connections from now on. */
  replaceTls(material: TlsMaterial): void {
    this.#listener?.replaceTls(material);
    this.#tryNow();
  }

  addressesChanged(addresses: ReadonlySet<string>): void {
    const isFixed = this.address !== '::' && !isLoopback(this.address);
    if (this.#listener !== undefined && isFixed && !addresses.has(this.address)) {
      this.rebind(
        new NetworkFailure('ADDRESS_NOT_AVAILABLE', `This machine does not have the address ${this.address} now.`),
      );
      return;
    }
    this.#tryNow();
  }

  /** Closes and begins anew, after a moment. */
  rebind(why: NetworkFailure): void {
    if (this.#isOff || this.#listener === undefined) return;
    const broken = this.#listener;
    this.#listener = undefined;
    void this.#queue(() => broken.close());
    this.#failed(why);
  }

  #tryNow(): void {
    if (this.#isOff || this.#listener !== undefined || this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    this.#retryMs = LISTEN_RETRY_MS_MIN;
    void this.#bind();
  }

  #bind(): Promise<void> {
    return this.#queue(() => this.#listen());
  }

  #queue(action: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(action);
    return this.#work;
  }

  async #listen(): Promise<void> {
    if (this.#isOff || this.#listener !== undefined) return;
    try {
      this.#listener = await this.#listenSomehow();
      this.#port = this.#listener.port;
      this.#sinceMs = this.#options.clock.wallNowMs();
      this.#failure = undefined;
      this.#retryMs = LISTEN_RETRY_MS_MIN;
      this.#options.logger.info(`Listening on ${addressWithPort(this.boundAddress, this.#port)}.`);
    } catch (error) {
      this.#failed(asNetworkFailure(error));
    }
  }

  async #listenSomehow(): Promise<NetworkListener> {
    try {
      return await this.#listenOn(this.address);
    } catch (error) {
      const isWithoutIpv6 = error instanceof NetworkFailure && error.code === 'ADDRESS_NOT_AVAILABLE';
      if (this.address === '::' && isWithoutIpv6) return this.#listenOn('0.0.0.0');
      throw error;
    }
  }

  #listenOn(address: string): Promise<NetworkListener> {
    const { network, tls, accept, refused } = this.#options;
    return network.listen(
      { address, port: this.#port, tls: tls() },
      {
        accept,
        refused,
        failed: (failure) => this.rebind(failure),
      },
    );
  }

  #failed(failure: NetworkFailure): void {
    this.#sinceMs = undefined;
    const isNews = failure.message !== this.#failure?.message;
    this.#failure = failure;
    if (isNews && !(this.isOptional && failure.code === 'ADDRESS_NOT_AVAILABLE')) {
      this.#options.logger.warn(`Not listening on ${addressWithPort(this.address, this.#port)}: ${failure.message}`, {
        code: failure.code,
      });
    }
    if (this.#isOff) return;
    this.#timer?.cancel();
    this.#timer = this.#options.timers.after(this.#retryMs, () => {
      this.#timer = undefined;
      void this.#bind();
    });
    this.#retryMs = Math.min(this.#retryMs * 2, LISTEN_RETRY_MS_MAX);
  }

  async #unbind(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    this.#sinceMs = undefined;
    await listener?.close();
  }
}

export interface ListeningAddressOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly address: string;
  readonly port: number;
  readonly isOptional: boolean;
  readonly tls: () => TlsMaterial | undefined;
  readonly accept: (connection: Connection) => void;
  readonly refused: (refusal: { readonly remoteAddress: string; readonly failure: NetworkFailure }) => void;
}

function asNetworkFailure(error: unknown): NetworkFailure {
  if (error instanceof NetworkFailure) return error;
  return new NetworkFailure('OTHER', error instanceof Error ? error.message : String(error), undefined, {
    cause: error,
  });
}
