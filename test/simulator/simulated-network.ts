import {
  type Connection,
  type ConnectTarget,
  type ListenHandlers,
  type ListenTarget,
  type Network,
  NetworkFailure,
  type NetworkListener,
  type TlsMaterial,
} from '../../src/io/network.ts';
import type { Internet } from './internet.ts';
import { SimulatedConnection } from './simulated-connection.ts';
import { isLoopback, type SimulatedHost } from './simulated-host.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import { type CertificateText, checkCertificate } from './simulated-tls.ts';

/** The network door of one process: N1 to N4 of `io/network.ts`, on the wires of a world. */
export class SimulatedNetwork implements Network {
  readonly #internet: Internet;
  readonly #host: SimulatedHost;
  readonly #process: SimulatedProcess;

  constructor(internet: Internet, host: SimulatedHost, process: SimulatedProcess) {
    this.#internet = internet;
    this.#host = host;
    this.#process = process;
  }

  interfaceAddresses(): readonly string[] {
    return ['127.0.0.1', '::1', ...this.#host.addresses];
  }

  connect(target: ConnectTarget): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const dial = new Dial(this.#internet, this.#host, this.#process, target, {
        connected: (connection) => this.#process.run(() => resolve(connection)),
        failed: (failure) => this.#process.run(() => reject(failure)),
      });
      dial.start();
    });
  }

  listen(target: ListenTarget, handlers: ListenHandlers): Promise<NetworkListener> {
    return new Promise((resolve, reject) => {
      this.#internet.world.at(0.05, () =>
        this.#process.run(() => {
          const failure = this.#whyNotListen(target);
          if (failure !== undefined) return reject(failure);
          const port = target.port === 0 ? this.#freePort() : target.port;
          const listener = new SimulatedListener(
            this.#internet,
            this.#host,
            this.#process,
            { ...target, port },
            handlers,
          );
          this.#internet.listeners.add(listener);
          resolve(listener);
        }),
      );
    });
  }

  #whyNotListen(target: ListenTarget): NetworkFailure | undefined {
    const { address, port } = target;
    const isWildcard = address === '::' || address === '0.0.0.0';
    if (!isWildcard && !this.#host.hasAddress(address)) {
      return new NetworkFailure('ADDRESS_NOT_AVAILABLE', `listen EADDRNOTAVAIL ${address}:${port}`, 'EADDRNOTAVAIL');
    }
    for (const { host, address: taken, port: takenPort } of this.#internet.listeners) {
      if (host !== this.#host || takenPort !== port) continue;
      if (taken === address || taken === '::' || isWildcard) {
        return new NetworkFailure('ADDRESS_IN_USE', `listen EADDRINUSE ${address}:${port}`, 'EADDRINUSE');
      }
    }
    return undefined;
  }

  #freePort(): number {
    for (;;) {
      const port = 20_000 + this.#internet.world.random.integer(20_000);
      if (![...this.#internet.listeners].some((one) => one.host === this.#host && one.port === port)) return port;
    }
  }
}

export class SimulatedListener implements NetworkListener {
  readonly address: string;
  readonly port: number;
  readonly host: SimulatedHost;
  readonly process: SimulatedProcess;
  readonly handlers: ListenHandlers;
  tls: TlsMaterial | undefined;
  isClosed = false;
  readonly #internet: Internet;

  constructor(
    internet: Internet,
    host: SimulatedHost,
    process: SimulatedProcess,
    target: ListenTarget,
    handlers: ListenHandlers,
  ) {
    this.#internet = internet;
    this.host = host;
    this.process = process;
    this.handlers = handlers;
    this.address = target.address;
    this.port = target.port;
    this.tls = target.tls;
  }

  replaceTls(material: TlsMaterial): void {
    this.tls = material;
  }

  close(): Promise<void> {
    this.vanish();
    return new Promise((resolve) => this.#internet.world.soon(() => this.process.run(resolve)));
  }

  vanish(): void {
    this.isClosed = true;
    this.#internet.listeners.delete(this);
  }

  /** The listening socket breaks, as Node tells by 'error'. */
  break(): void {
    this.vanish();
    this.process.run(() => this.handlers.failed(new NetworkFailure('OTHER', 'the listening socket broke', 'EIO')));
  }
}

/** One attempt to connect: a packet that is sent again until it is answered, the deadline comes, or nobody wants it. */
class Dial {
  readonly #internet: Internet;
  readonly #host: SimulatedHost;
  readonly #process: SimulatedProcess;
  readonly #target: ConnectTarget;
  readonly #end: DialEnd;
  readonly #boot: number;
  #isOver = false;
  #localAddress = '';
  #attempt = 0;

  constructor(internet: Internet, host: SimulatedHost, process: SimulatedProcess, target: ConnectTarget, end: DialEnd) {
    this.#internet = internet;
    this.#host = host;
    this.#process = process;
    this.#target = target;
    this.#end = end;
    this.#boot = host.boot;
  }

  start(): void {
    const { signal, timeoutMs, address } = this.#target;
    const { world } = this.#internet;
    const abort = (): void => this.#fail('ABORTED', 'the attempt was given up');
    if (signal?.aborted) {
      abort();
      return;
    }
    signal?.addEventListener('abort', abort, { once: true });
    world.at(timeoutMs, () =>
      this.#fail('TIMEOUT', `connect to ${address} timed out after ${timeoutMs} ms`, 'ETIMEDOUT'),
    );
    const local = this.#chooseLocalAddress(address);
    if (local === undefined) {
      world.at(0.1, () => this.#fail('UNREACHABLE', `connect ENETUNREACH ${address}`, 'ENETUNREACH'));
      return;
    }
    this.#localAddress = local;
    const isUnreachable =
      this.#internet.hostOf(address, this.#host) === undefined &&
      world.random.fraction() < this.#internet.manners.unreachableRate;
    if (isUnreachable) {
      world.at(3_000, () => this.#fail('UNREACHABLE', `connect EHOSTUNREACH ${address}`, 'EHOSTUNREACH'));
      return;
    }
    this.#knock();
  }

  /** A host reaches its own addresses from themselves. */
  #chooseLocalAddress(address: string): string | undefined {
    if (isLoopback(address) || this.#host.addresses.has(address)) return address;
    const isVersion6 = address.includes(':');
    return [...this.#host.addresses].find((own) => own.includes(':') === isVersion6);
  }

  #knock(): void {
    if (this.#isOver) return;
    const { world } = this.#internet;
    const fate = this.#internet.send(this.#host, this.#localAddress, this.#target.address);
    const waitMs = 1_000 * 2 ** this.#attempt++;
    if (fate.kind === 'lost') {
      world.at(waitMs, () => this.#knock());
      return;
    }
    world.at(this.#internet.delayMs(this.#host, fate.at, 60), () => {
      if (this.#isOver) return;
      const back = this.#internet.send(fate.at, this.#target.address, this.#localAddress);
      if (back.kind === 'lost' || back.at !== this.#host) {
        world.at(waitMs, () => this.#knock());
        return;
      }
      world.at(this.#internet.delayMs(fate.at, this.#host, 60), () => this.#answered(fate.at));
    });
  }

  #answered(at: SimulatedHost): void {
    if (this.#isOver || this.#host.boot !== this.#boot) return;
    const { address, port } = this.#target;
    const listener = at.isOn ? this.#internet.listenerAt(at, address, port) : undefined;
    if (listener === undefined) {
      this.#fail('REFUSED', `connect ECONNREFUSED ${address}:${port}`, 'ECONNREFUSED');
      return;
    }
    if (this.#target.tls === undefined && listener.tls === undefined) {
      this.#connect(listener, [], []);
      return;
    }
    this.#internet.world.at(2 * this.#internet.delayMs(this.#host, at, 3_000), () => this.#shakeHands(listener));
  }

  #shakeHands(listener: SimulatedListener): void {
    if (this.#isOver) return;
    if (listener.isClosed) {
      this.#fail('RESET', 'read ECONNRESET', 'ECONNRESET');
      return;
    }
    const refused = (code: NetworkFailure['code'], text: string): void =>
      listener.process.run(() =>
        listener.handlers.refused({ remoteAddress: this.#localAddress, failure: new NetworkFailure(code, text) }),
      );
    if (listener.tls === undefined) {
      refused('TLS_FAILED', 'TLS where none was expected');
      this.#fail('NO_TLS', 'the other side speaks no TLS', 'EPROTO');
      return;
    }
    if (this.#target.tls === undefined) {
      refused('NO_TLS', 'the other side speaks no TLS');
      this.#fail('RESET', 'read ECONNRESET', 'ECONNRESET');
      return;
    }
    const theirs = checkCertificate(listener.tls, this.#target.tls, this.#host.clock.wallNowMs());
    if (theirs instanceof NetworkFailure) {
      refused('CERTIFICATE_REFUSED', 'the other side refused the certificate');
      this.#fail(theirs.code, theirs.message, theirs.systemCode);
      return;
    }
    const ours = checkCertificate(this.#target.tls, listener.tls, listener.host.clock.wallNowMs());
    if (ours instanceof NetworkFailure) {
      refused(ours.code, ours.message);
      this.#fail('CERTIFICATE_REFUSED', 'the other side refused the certificate');
      return;
    }
    this.#connect(listener, theirs.names, ours.names);
  }

  #connect(
    listener: SimulatedListener,
    theirNames: CertificateText['names'],
    ourNames: CertificateText['names'],
  ): void {
    if (!this.#process.isAlive) return;
    this.#isOver = true;
    const { world } = this.#internet;
    const isEncrypted = this.#target.tls !== undefined;
    const localPort = 30_000 + world.random.integer(30_000);
    const dialer = new SimulatedConnection(this.#internet, {
      host: this.#host,
      process: this.#process,
      isDialer: true,
      localAddress: this.#localAddress,
      localPort,
      remoteAddress: this.#target.address,
      remotePort: this.#target.port,
      isEncrypted,
      certificateNames: theirNames,
    });
    const acceptor = new SimulatedConnection(this.#internet, {
      host: listener.host,
      process: listener.process,
      isDialer: false,
      localAddress: this.#target.address,
      localPort: listener.port,
      remoteAddress: this.#localAddress,
      remotePort: localPort,
      isEncrypted,
      certificateNames: ourNames,
    });
    dialer.other = acceptor;
    acceptor.other = dialer;
    this.#end.connected(dialer);
    world.at(this.#internet.delayMs(this.#host, listener.host, 0), () =>
      listener.process.run(() => {
        if (!listener.isClosed && !acceptor.isClosed) listener.handlers.accept(acceptor);
        else acceptor.destroy();
      }),
    );
  }

  #fail(code: NetworkFailure['code'], text: string, systemCode?: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end.failed(new NetworkFailure(code, text, systemCode));
  }
}

interface DialEnd {
  connected(connection: SimulatedConnection): void;
  failed(failure: NetworkFailure): void;
}
