import { NetworkFailure } from '../../src/io/network.ts';
import type { SimulatedIo } from '../../src/testing/simulated-io.ts';
import type { Link, LinkEnd, LinkHandlers } from '../../src/transfer/links/link.ts';
import { LinkFailure } from '../../src/transfer/links/link-failure.ts';
import type { DialTarget } from '../../src/transfer/peers/peer-options.ts';
import type { Reason } from '../../src/transfer/reasons.ts';
import type { Frame, Identity } from '../../src/transfer/wire/frames.ts';

/** What stands at an address. */
export interface FakeHost {
  /** Who answers there. */
  readonly machine: string;
  readonly storeId?: string;
  /** `refuses`: nothing listens. `refused`: it answers with this reason. */
  readonly does: 'answers' | 'refuses' | { readonly refused: Reason; readonly text: string };
  /** False: takes the link, and closes it when a stream wants to attach, as one that dies of it. */
  readonly survivesAttach?: boolean;
  readonly roundTripMs?: number;
}

/** The dialling of links to machines that the test puts at addresses; where nobody is, there is silence. */
export class FakeHosts {
  readonly dials: { readonly machine: string; readonly address: string; readonly atMs: number }[] = [];
  readonly links: FakeLink[] = [];
  inFlight = 0;
  inFlightMax = 0;
  readonly #io: SimulatedIo;
  readonly #hosts = new Map<string, FakeHost>();
  readonly #usesTls: boolean;

  constructor(io: SimulatedIo, options: { readonly usesTls: boolean }) {
    this.#io = io;
    this.#usesTls = options.usesTls;
  }

  put(address: string, host: FakeHost | undefined): void {
    if (host === undefined) this.#hosts.delete(address);
    else this.#hosts.set(address, host);
  }

  get openLinks(): readonly FakeLink[] {
    return this.links.filter(({ isOpen }) => isOpen);
  }

  /** Milliseconds at which the address was dialled. */
  dialsTo(address: string): readonly number[] {
    return this.dials.filter((dial) => dial.address === address).map(({ atMs }) => atMs);
  }

  open(target: DialTarget): Promise<Link> {
    const { machine, address } = target;
    this.dials.push({ machine, address, atMs: this.#io.clock.monotonicNowMs() });
    this.inFlight++;
    this.inFlightMax = Math.max(this.inFlightMax, this.inFlight);
    let isUnderWay = true;
    const ended = (): void => {
      if (isUnderWay) this.inFlight--;
      isUnderWay = false;
    };
    target.signal.addEventListener('abort', ended);
    return this.#answer(target).finally(ended);
  }

  #answer(target: DialTarget): Promise<Link> {
    const host = this.#hosts.get(target.address);
    return new Promise((resolve, reject) => {
      target.signal.addEventListener('abort', () => reject(new LinkFailure('SHUTDOWN', 'given up')));
      this.#io.timers.after(host === undefined ? CONNECT_TIMEOUT_MS : (host.roundTripMs ?? ROUND_TRIP_MS), () => {
        if (target.signal.aborted) return;
        const failure = failureOf(host, target);
        if (failure !== undefined || host === undefined) return reject(failure);
        const link = new FakeLink(this.#io, host, target, this.#usesTls);
        this.links.push(link);
        resolve(link);
      });
    });
  }
}

function failureOf(host: FakeHost | undefined, { machine, name, address }: DialTarget): LinkFailure | undefined {
  if (host === undefined) return failed('CONNECT_TIMEOUT', new NetworkFailure('TIMEOUT', 'silence'));
  if (host.does === 'refuses') return failed('CONNECT_REFUSED', new NetworkFailure('REFUSED', 'refused'));
  if (host.does !== 'answers') return new LinkFailure(host.does.refused, host.does.text);
  if (host.machine === machine) return undefined;
  const text = `${name} (${address}) answered as '${host.machine}', wanted is '${machine}'.`;
  return new LinkFailure('WRONG_HOST', text, { claimedMachine: host.machine });
}

function failed(reason: Reason, cause: NetworkFailure): LinkFailure {
  return new LinkFailure(reason, cause.message, { cause });
}

const ROUND_TRIP_MS = 5;
const CONNECT_TIMEOUT_MS = 5000;

/** A link whose other end attaches every stream and acknowledges everything at once, until the test cuts it. */
export class FakeLink implements Link {
  readonly role = 'dialer';
  readonly peer: Identity;
  readonly localAddress = '10.0.0.1';
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly isEncrypted: boolean;
  readonly sinceMs: number;
  readonly waitingBytes = 0;
  readonly frames: Frame[] = [];
  expectsAnswers = false;
  isOpen = true;
  /** The end, when it has one. */
  end: LinkEnd | undefined;
  /** Queues whose ATTACH is answered by a pause of this many ms. */
  readonly pauses = new Map<string, number>();
  readonly #io: SimulatedIo;
  readonly #host: FakeHost;
  #handlers: LinkHandlers | undefined;
  #isSilent = false;
  #pings: { resolve(answer: { roundTripMs: number; wallMs: number }): void; reject(error: unknown): void }[] = [];

  constructor(io: SimulatedIo, host: FakeHost, target: DialTarget, isEncrypted: boolean) {
    this.#io = io;
    this.#host = host;
    this.remoteAddress = target.address;
    this.remotePort = target.port;
    this.isEncrypted = isEncrypted;
    this.sinceMs = io.clock.monotonicNowMs();
    this.peer = {
      machine: host.machine,
      storeId: host.storeId ?? `store of ${host.machine}`,
      instanceId: 'instance',
      version: '0.1.0',
      wallMs: 0,
      bodyBytesMax: 1024,
    };
  }

  get heardMs(): number {
    return this.#io.clock.monotonicNowMs();
  }

  listen(handlers: LinkHandlers): void {
    this.#handlers = handlers;
  }

  send(frame: Frame): void {
    if (!this.isOpen) return;
    this.frames.push(frame);
    if (!this.#isSilent) this.#io.timers.after(1, () => this.#answer(frame));
  }

  pauseReading(): void {}
  resumeReading(): void {}

  ping(): Promise<{ roundTripMs: number; wallMs: number }> {
    if (!this.isOpen) return Promise.reject(new LinkFailure('RESET', 'closed'));
    if (!this.#isSilent) return Promise.resolve({ roundTripMs: 1, wallMs: 0 });
    return new Promise((resolve, reject) => this.#pings.push({ resolve, reject }));
  }

  close(code: LinkEnd['code'], text: string): void {
    this.#close({ code, text, isOurs: true });
  }

  /** The other side, or the way there, ends it. */
  cut(code: LinkEnd['code'] = 'RESET'): void {
    this.#close({ code, text: '', isOurs: false });
  }

  /** Nothing comes back any more, which is told now. */
  fallSilent(): void {
    this.#isSilent = true;
    this.#handlers?.silent();
  }

  wakeUp(): void {
    this.#isSilent = false;
    for (const { resolve } of this.#pings.splice(0)) resolve({ roundTripMs: 3000, wallMs: 0 });
  }

  #answer(frame: Frame): void {
    if (!this.isOpen || frame.type !== 'attach') return;
    const { channel, queue } = frame;
    const retryAfterMs = this.pauses.get(queue);
    if (this.#host.survivesAttach === false) {
      this.cut();
      return;
    }
    this.#handlers?.frame(
      retryAfterMs !== undefined
        ? { type: 'detached', channel, code: 'QUEUE_FULL', text: `queue ${queue} is full (10,000).`, retryAfterMs }
        : {
            type: 'attached',
            channel,
            last: 0,
            digest: '0'.repeat(16),
            refused: [],
            windowMessages: 1,
            windowBytes: 1,
          },
    );
  }

  #close(end: LinkEnd): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.end = end;
    for (const { reject } of this.#pings.splice(0)) reject(new LinkFailure('RESET', 'closed'));
    // As a socket does: not within the call that closes it.
    queueMicrotask(() => this.#handlers?.closed(end));
  }
}
