import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A TCP proxy that stands between a client and a server on this machine, and lets every fault of the wire happen at a moment
 * that a test chooses: bytes kept back in either direction, connections cut, refused, closed on one side alone, and the
 * answer to one request lost. It also moves to another loopback address, as a server behind a changed name does.
 *
 * What it keeps back it keeps in order, the end of a connection too: a client may be killed while its last request is held
 * here, and the server gets both when the test lets go.
 */
export class FaultProxy implements AsyncDisposable {
  readonly port: number;
  readonly #target: ProxyTarget;
  readonly #links = new Set<ProxyLink>();
  readonly #traps: Trap[] = [];
  #listeners: Listening[];
  #isFrozen = false;

  private constructor(target: ProxyTarget, listening: Listening) {
    this.#target = target;
    this.port = listening.port;
    this.#listeners = [listening];
    this.#serve(listening);
  }

  static async start({ address = '127.0.0.1', ...target }: FaultProxyOptions): Promise<FaultProxy> {
    return new FaultProxy({ port: target.targetPort }, await listen(address, 0));
  }

  /** Where it takes connections now. */
  get address(): string {
    return this.#listeners.at(-1)?.address ?? '';
  }

  /** The URL of a database behind it. `host`: a name that leads to it; default: its address. */
  url(url: string, host = this.address): string {
    return Object.assign(new URL(url), { hostname: host, port: String(this.port) }).href;
  }

  /** Connections through it that are open on either side, oldest first. */
  get links(): readonly ProxyLink[] {
    return [...this.#links];
  }

  /** Keeps back everything, of connections that come too, which are taken and hear nothing. */
  freeze(): void {
    this.#isFrozen = true;
    for (const link of this.#links) link.freeze();
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const link of this.#links) link.letGo();
  }

  /** Ends all connections at once, on both sides, with a reset. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  /** Connections are refused from now on; those that are open stay. */
  async refuse(): Promise<void> {
    await Promise.all(this.#listeners.map((listening) => closed(listening)));
  }

  /** Takes connections again, after `refuse`. */
  async accept(): Promise<void> {
    await this.#listenAt(this.address);
  }

  /** Refuses and cuts: the server is down. `accept` brings it back. */
  async down(): Promise<void> {
    await this.refuse();
    this.cut();
  }

  /**
   * From now on connections are taken at another loopback address. The old one goes `silent`: connections that are open or
   * come there hear nothing any more; or it `refuses`, and connections stay as they are.
   */
  async moveTo(address: string, old: 'silent' | 'refuses'): Promise<void> {
    const left = this.#listeners;
    if (old === 'refuses') await this.refuse();
    else for (const link of this.#links) link.freeze();
    for (const listening of left) listening.isSilent = true;
    await this.#listenAt(address);
  }

  /**
   * Waits for the first request, of any connection, in which `pattern` matches the bytes that the client sends (as latin1).
   * `request`: it is kept back, with all that follows. `answer`: the server gets it, and what the server says is kept back.
   */
  trap(pattern: RegExp, hold: 'request' | 'answer'): Promise<Caught> {
    return new Promise((resolve) => void this.#traps.push({ pattern, hold, resolve }));
  }

  /** Forgets the traps that nothing has run into. */
  disarm(): void {
    this.#traps.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  async #listenAt(address: string): Promise<void> {
    const listening = await listen(address, this.port);
    this.#listeners = [...this.#listeners, listening];
    this.#serve(listening);
  }

  #serve(listening: Listening): void {
    listening.server.on('connection', (client) => {
      const link = new ProxyLink(client, this.#target, (text) => this.#firstTrapIn(text));
      this.#links.add(link);
      link.onClosed(() => this.#links.delete(link));
      if (this.#isFrozen || listening.isSilent) link.freeze();
    });
  }

  #firstTrapIn(text: string): Trap | undefined {
    const index = this.#traps.findIndex(({ pattern }) => pattern.test(text));
    return index < 0 ? undefined : this.#traps.splice(index, 1)[0];
  }
}

export interface FaultProxyOptions {
  readonly targetPort: number;
  /** Of loopback, where it listens on a free port; default: 127.0.0.1. */
  readonly address?: string;
}

/** A request that ran into a trap. */
export interface Caught {
  readonly link: ProxyLink;
  /** Resolves when the server has said something, or has closed, since. */
  readonly answered: Promise<void>;
}

/** One connection through the proxy: a socket to the client, a socket to the server, and a lane each way. */
export class ProxyLink {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #toServer: Lane;
  readonly #toClient: Lane;
  readonly #firstTrapIn: (text: string) => Trap | undefined;
  /** The end of what was sent before: a pattern may begin in one packet and end in the next. */
  #tail = '';

  constructor(client: Socket, target: ProxyTarget, firstTrapIn: (text: string) => Trap | undefined) {
    this.#firstTrapIn = firstTrapIn;
    this.#client = client;
    this.#server = connect({ host: '127.0.0.1', port: target.port, allowHalfOpen: true, noDelay: true });
    this.#toServer = new Lane(client, this.#server, (bytes) => this.#look(bytes));
    this.#toClient = new Lane(this.#server, client, () => undefined);
  }

  /** What either side sends from now on is kept, also its end. */
  freeze(): void {
    this.#toServer.hold();
    this.#toClient.hold();
  }

  /** What was kept goes on, in order. */
  letGo(): void {
    this.#toServer.release();
    this.#toClient.release();
  }

  /** The client sees a reset. The server's side stays open until `letGo`; then it gets what was kept, and an end. */
  closeClient(): void {
    this.freeze();
    this.#client.resetAndDestroy();
    this.#toServer.end();
  }

  /** The server sees a reset, and none of what was kept. The client's side stays open and silent until `letGo`. */
  closeServer(): void {
    this.freeze();
    this.#server.resetAndDestroy();
    this.#toClient.end();
  }

  cut(): void {
    this.closeClient();
    this.closeServer();
  }

  onClosed(listener: () => void): void {
    let open = 2;
    for (const socket of [this.#client, this.#server]) socket.once('close', () => --open === 0 && listener());
  }

  #look(bytes: Buffer): void {
    const text = this.#tail + bytes.toString('latin1');
    this.#tail = text.slice(-TAIL_CHARACTERS);
    const trap = this.#firstTrapIn(text);
    if (trap === undefined) return;
    this.#tail = '';
    const answered = this.#toClient.nextEvent();
    if (trap.hold === 'request') this.#toServer.hold();
    else this.#toClient.hold();
    trap.resolve({ link: this, answered });
  }
}

interface ProxyTarget {
  readonly port: number;
}

interface Listening {
  readonly server: Server;
  readonly address: string;
  readonly port: number;
  isSilent: boolean;
}

interface Trap {
  readonly pattern: RegExp;
  readonly hold: 'request' | 'answer';
  resolve(caught: Caught): void;
}

const TAIL_CHARACTERS = 200;

/** What one side sends, on its way to the other: bytes, and at last an end or a reset. */
class Lane {
  readonly #to: Socket;
  readonly #kept: LaneEvent[] = [];
  #isHeld = false;
  #awaiting: (() => void)[] = [];

  constructor(from: Socket, to: Socket, look: (bytes: Buffer) => void) {
    this.#to = to;
    from.on('data', (bytes) => {
      look(bytes);
      this.#add(bytes);
    });
    from.on('end', () => this.end());
    // A reset from outside; one of our own (`resetAndDestroy`) tells nobody.
    from.on('error', () => this.#add('reset'));
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    for (const event of this.#kept.splice(0)) this.#pass(event);
  }

  end(): void {
    this.#add('end');
  }

  nextEvent(): Promise<void> {
    return new Promise((resolve) => void this.#awaiting.push(resolve));
  }

  #add(event: LaneEvent): void {
    for (const resolve of this.#awaiting.splice(0)) resolve();
    // Let go right behind the bytes before it, a reset could overtake them.
    if (this.#isHeld) this.#kept.push(event === 'reset' ? 'end' : event);
    else this.#pass(event);
  }

  #pass(event: LaneEvent): void {
    if (this.#to.destroyed) return;
    if (event === 'end') this.#to.end();
    else if (event === 'reset') this.#to.resetAndDestroy();
    else this.#to.write(event);
  }
}

type LaneEvent = Buffer | 'end' | 'reset';

async function listen(address: string, port: number): Promise<Listening> {
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  server.listen(port, address);
  await once(server, 'listening');
  const bound = server.address();
  const boundPort = typeof bound === 'object' && bound !== null ? bound.port : port;
  return { server, address, port: boundPort, isSilent: false };
}

/** It takes nothing more. Connections that it took stay. */
async function closed({ server }: Listening): Promise<void> {
  if (!server.listening) return;
  // The end of the last connection would be awaited by the callback; the port is free at once.
  server.close();
}
