import type { Io, Timer } from '../../io/io.ts';
import { isLoopback } from '../../io/ip-address.ts';
import type { Logger } from '../../io/logger.ts';
import { type Connection, type Names, type Network, NetworkFailure } from '../../io/network.ts';
import { PendingHandshakes } from '../../io/pending-handshakes.ts';
import type { ListenerStatus, RefusedConnection } from '../incoming-status.ts';
import type { ListenSettings, NetworkSettings, TlsSource } from '../network-settings.ts';
import type { Hello } from '../wire/frames.ts';
import { acceptLink } from './accept-link.ts';
import type { AddressWatch } from './address-watch.ts';
import { InboundLinks } from './inbound-links.ts';
import { HANDSHAKES_MAX, HANDSHAKES_PER_NETWORK_MAX, SELF_PROBE_FIRST_MS, SELF_PROBE_MS } from './limits.ts';
import type { Link, LinkHandlers } from './link.ts';
import { ListeningAddress } from './listening-address.ts';
import type { Self } from './open-link.ts';
import { type LookBack, ProbeLinks } from './probe-links.ts';
import { Refusals } from './refusals.ts';
import { probeSelf, type SelfProbeResult } from './self-probe.ts';

/**
 * Where other machines reach this one.
 *
 *     off ──start()──▶ on ──stop()──▶ off for good
 *
 * - It never gives up: an address that is taken, gone or broken is tried again for ever (listening-address.ts), and meanwhile
 *   `describe` says why.
 * - Who connects has 5 s for HELLO; when too many are silent, the oldest of them goes, so a peer that speaks always gets in.
 * - Every 30 s it looks at itself as others would (self-probe.ts), when others are meant to reach it.
 * - Whoever was refused is kept for operators.
 */
export class Listener {
  readonly links: InboundLinks;
  readonly refusals = new Refusals();
  readonly #options: ListenerOptions;
  readonly #addresses: readonly ListeningAddress[];
  readonly #handshakes = new PendingHandshakes({ max: HANDSHAKES_MAX, perNetworkMax: HANDSHAKES_PER_NETWORK_MAX });
  readonly #probes: ProbeLinks;
  readonly #stop = new AbortController();
  #probeTimer: Timer | undefined;
  #probing: Promise<void> | undefined;
  #sight: SelfProbeResult | undefined;
  #unwatch = (): void => undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.links = new InboundLinks(options.io.timers);
    this.#probes = new ProbeLinks(options.io.timers, options.lookBack);
    this.#addresses = listenAddresses(options).map((address, index) => this.#addressOf(address, index > 0));
  }

  /** The port in use. */
  get port(): number {
    return this.#addresses[0]?.port ?? this.#options.listen.port;
  }

  /** Resolves after the first attempt at every address; which of them listen, `describe` tells. */
  async start(): Promise<void> {
    const { tls, addressWatch } = this.#options;
    for (const address of this.#addresses) await address.start(this.port);
    this.#unwatch = addressWatch.listen(() => {
      for (const address of this.#addresses) address.addressesChanged(addressWatch.addresses);
    });
    tls?.onChange((material) => {
      for (const address of this.#addresses) address.replaceTls(material);
    });
    if (this.#isMeantForOthers) this.#planProbe(SELF_PROBE_FIRST_MS);
  }

  /** Takes no more connections, and ends those that are not links yet. The links stay. */
  async stopAccepting(): Promise<void> {
    this.#unwatch();
    this.#probeTimer?.cancel();
    this.#stop.abort();
    await Promise.all(this.#addresses.map((address) => address.stop()));
    await this.#probing;
  }

  /** Also closes the links; resolves when they are. */
  async stop(): Promise<void> {
    const text = `'${this.#options.self.machine}' is shutting down.`;
    await this.stopAccepting();
    this.#probes.close(text);
    await this.links.close(text);
  }

  describe(): readonly ListenerStatus[] {
    return this.#addresses
      .filter(({ isOptional, failure }) => !isOptional || failure?.code !== 'ADDRESS_NOT_AVAILABLE')
      .map((address) => ({
        address: address.address,
        port: address.port,
        ...this.#stateOf(address),
        reachableAt: this.#reachableAt(address),
        sinceMs: address.sinceMs,
        isEncrypted: this.#options.tls !== undefined,
      }));
  }

  get #isMeantForOthers(): boolean {
    const { settings, self } = this.#options;
    return (
      settings.machines.has(self.machine.toLowerCase()) || this.#addresses.some(({ address }) => !isLoopback(address))
    );
  }

  #addressOf(address: string, isOptional: boolean): ListeningAddress {
    const { network, io, logger, tls, listen } = this.#options;
    return new ListeningAddress({
      network,
      clock: io.clock,
      timers: io.timers,
      logger,
      address,
      port: listen.port,
      isOptional,
      tls: () => tls?.material,
      accept: (connection) => void this.#accept(connection),
      refused: ({ remoteAddress, failure }) =>
        this.#refused({
          atMs: io.clock.wallNowMs(),
          remoteAddress,
          claimedMachine: undefined,
          code: failure.code,
          text: failure.message,
        }),
    });
  }

  async #accept(connection: Connection): Promise<void> {
    const { io, self, settings } = this.#options;
    const accepted = await acceptLink(connection, {
      clock: io.clock,
      timers: io.timers,
      self,
      aliases: settings.aliases,
      enter: (remoteAddress, evict) => this.#handshakes.enter(remoteAddress, evict),
      admit: (hello) => (hello.purpose === 'probe' ? Promise.resolve(undefined) : this.links.admit(hello)),
      refused: (refusal) => this.#refused(refusal),
      signal: this.#stop.signal,
    });
    if (accepted === undefined) return;
    const { link, hello } = accepted;
    if (hello.purpose === 'probe') {
      this.#probes.take(accepted);
      return;
    }
    const handlers = this.#options.accepted(link, hello);
    link.listen({
      ...handlers,
      closed: (end) => {
        this.links.remove(link);
        handlers.closed(end);
      },
    });
    this.links.add(accepted);
  }

  #refused(refusal: RefusedConnection): void {
    const times = this.refusals.add(refusal);
    // A flood of the same is a line at 1, 10, 100, …: strangers do not fill the disk.
    if (!/^10*$/.test(String(times))) return;
    const { code, remoteAddress, claimedMachine, text } = refusal;
    this.#options.logger.warn(`Refused a connection: ${text}`, { code, remoteAddress, claimedMachine, times });
  }

  #stateOf(address: ListeningAddress): Pick<ListenerStatus, 'state' | 'text'> {
    if (!address.isListening)
      return { state: 'LISTENER_REBINDING', text: address.failure?.message ?? 'It is about to listen.' };
    const text = this.#sight?.text ?? '';
    switch (this.#sight?.kind) {
      case 'elsewhere':
        return { state: 'NAME_POINTS_ELSEWHERE', text };
      case 'cutOff':
      case 'deaf':
        return { state: 'LISTENER_DEAF', text };
      case 'heard':
      case undefined:
        return { state: 'LISTENING', text };
    }
  }

  #reachableAt(address: ListeningAddress): readonly string[] {
    if (!address.isListening) return [];
    const { boundAddress } = address;
    const all = [...this.#options.addressWatch.addresses];
    if (boundAddress === '::') return all;
    return boundAddress === '0.0.0.0' ? all.filter((one) => !one.includes(':')) : [boundAddress];
  }

  #planProbe(delayMs: number): void {
    this.#probeTimer = this.#options.io.timers.after(delayMs, () => {
      this.#probing = this.#probe().finally(() => {
        if (!this.#stop.signal.aborted) this.#planProbe(SELF_PROBE_MS);
      });
    });
  }

  async #probe(): Promise<void> {
    const { network, names, io, self, settings, tls, logger } = this.#options;
    const own = this.#addresses.find(({ isListening }) => isListening);
    if (own === undefined) return;
    const advertised = settings.machines.get(self.machine.toLowerCase());
    const isWildcard = own.boundAddress === '::' || own.boundAddress === '0.0.0.0';
    const before = this.#sight;
    const sight = await probeSelf({
      network,
      names,
      clock: io.clock,
      timers: io.timers,
      self,
      tls: tls?.material,
      allowPlaintext: settings.allowPlaintext,
      name: advertised?.host ?? self.machine,
      port: advertised?.port ?? own.port,
      ownAddress: isWildcard ? '127.0.0.1' : own.boundAddress,
      ownPort: own.port,
      isFixed: !isWildcard && !isLoopback(own.boundAddress),
      signal: this.#stop.signal,
    });
    if (this.#stop.signal.aborted || !own.isListening) return;
    this.#sight = sight;
    if (before?.text !== sight.text) logger[sight.kind === 'heard' ? 'info' : 'warn'](sight.text, { kind: sight.kind });
    // Twice in a row it did not hear itself at its own address: the socket is to be made anew.
    if (sight.kind === 'deaf' && before?.kind === 'deaf') {
      this.#sight = undefined;
      own.rebind(new NetworkFailure('OTHER', sight.text));
    }
  }
}

export interface ListenerOptions {
  readonly network: Network;
  readonly names: Names;
  readonly io: Io;
  readonly listen: ListenSettings;
  readonly settings: NetworkSettings;
  readonly tls: TlsSource | undefined;
  readonly self: Self;
  readonly logger: Logger;
  readonly addressWatch: AddressWatch;
  /** A machine is in; the answer is what its link tells from now on. Called in the turn in which the link was made. */
  readonly accepted: (link: Link, hello: Hello) => LinkHandlers;
  readonly lookBack: LookBack;
}

function listenAddresses({ listen, settings, tls }: ListenerOptions): readonly string[] {
  if (listen.address !== undefined) return [listen.address];
  return tls !== undefined || settings.allowPlaintext ? ['::'] : ['127.0.0.1', '::1'];
}
