import { isLoopback } from '../../io/ip-address.ts';
import type { NameAnswer } from '../../io/network.ts';
import type { Link } from '../links/link.ts';
import { LinkFailure } from '../links/link-failure.ts';
import type { AttemptRecord } from '../outgoing-status.ts';
import { AddressRace, type Candidate } from './address-race.ts';
import { attemptFailure } from './attempt-sentence.ts';
import { orderCandidates } from './candidates.ts';
import { type DialFailure, type DialOutcome, dialFailureOf, NAME_TIMEOUT_MS, nameFailureOf } from './dial-failure.ts';
import type { PeerOptions } from './peer-options.ts';

/**
 * One attempt to reach a machine: its name is looked up, the addresses race.
 *
 *     resolving ──answer──▶ connecting ──▶ linked | failed
 *         └──no answer──▶ the addresses at which it was identified before, once ──▶ linked | failed
 *
 * Where the machine has just connected from is tried too, 250 ms after the start or after the addresses of the name: the
 * name may be stale, and who stands there proves itself before anything is sent.
 *
 * Ends once, unless it is cancelled: then nothing is told any more.
 */
export class AttemptRound {
  readonly #peer: PeerOptions;
  readonly #options: AttemptRoundOptions;
  readonly #race: AddressRace;
  readonly #outcomes: DialOutcome[] = [];
  #answered: NameAnswer | DialFailure | undefined;
  #isOver = false;

  constructor(peer: PeerOptions, options: AttemptRoundOptions) {
    this.#peer = peer;
    this.#options = options;
    this.#race = new AddressRace({
      timers: peer.io.timers,
      turns: peer.turns,
      staggerMs: options.staggerMs,
      isFresh: options.isFresh,
      dial: (candidate, signal) => this.#dial(candidate, signal),
      failed: (candidate, error) => this.#failed(candidate, error),
      won: (candidate, link) => this.#won(candidate, link),
      lost: () => this.#lost(),
    });
  }

  get phase(): 'resolving' | 'connecting' {
    return this.#answered === undefined && this.#race.dialling.length === 0 ? 'resolving' : 'connecting';
  }

  /** What it does at the moment. */
  get text(): string {
    const { name, port } = this.#options;
    const answered = this.#answered;
    const before = this.#outcomes.map(({ address, text }) => `; ${address}: ${text}`).join('');
    const dialling = this.#race.dialling;
    if (dialling.length > 0) return `connecting to ${dialling.join(' and ')}, port ${port} (${name})${before}`;
    if (answered === undefined) return `looking up ${name}`;
    return `waiting for a turn: ${this.#peer.turns.inFlight} other connections are being made${before}`;
  }

  /** @param answer - when the name was looked up a moment ago */
  start(answer: NameAnswer | undefined): void {
    this.#race.add(this.#options.inbound.map(inboundCandidate), { goesFirst: false });
    if (answer !== undefined) this.#resolved(answer);
    else {
      this.#peer.names.resolve(this.#options.name, NAME_TIMEOUT_MS).then(
        (found) => this.#resolved(found),
        (error: unknown) => this.#unresolved(nameFailureOf(error)),
      );
    }
  }

  /** Addresses that the name has got meanwhile. */
  addAnswer(answer: NameAnswer): void {
    if (this.#answered === undefined || this.#isOver) return;
    this.#answered = answer;
    this.#addNamed(answer);
  }

  /** The machine has just connected from there. */
  addInbound(address: string): void {
    if (!this.#isOver) this.#race.add([inboundCandidate(address)], { goesFirst: true });
  }

  cancel(): void {
    this.#isOver = true;
    this.#race.cancel();
  }

  #resolved(answer: NameAnswer): void {
    if (this.#isOver) return;
    this.#answered = answer;
    this.#options.answered(answer);
    this.#addNamed(answer);
    this.#race.complete();
  }

  #addNamed(answer: NameAnswer): void {
    const addresses = orderCandidates(answer.addresses, this.#options.identifiedBefore);
    this.#race.add(
      addresses.map((address) => ({ address, origin: 'name' })),
      { goesFirst: true },
    );
  }

  #unresolved(failure: DialFailure): void {
    if (this.#isOver) return;
    this.#answered = failure;
    this.#options.answered(undefined);
    this.#record(undefined, failure.reason, failure.text);
    this.#race.add(
      this.#options.identifiedBefore.map((address) => ({ address, origin: 'former' })),
      { goesFirst: true },
    );
    this.#race.complete();
  }

  async #dial({ address, origin }: Candidate, signal: AbortSignal): Promise<Link> {
    const { machine, name, port } = this.#options;
    const { settings, tls } = this.#peer;
    if (tls === undefined && !settings.allowPlaintext && !isLoopback(address)) throw plaintextNotAllowed();
    const dialled = this.#peer.open({ machine, name, address, port, signal });
    this.#peer.track(dialled);
    const link = await dialled;
    const { knownStoreId } = this.#options;
    // Without certificates a claim is all there is; the store that was met before can be told from others at least.
    if (origin !== 'inbound' || link.isEncrypted || link.peer.storeId === knownStoreId) return link;
    link.close('DONE', `This address is not the one that the name ${name} has.`);
    throw anotherStore(link.peer.machine);
  }

  #failed({ address, origin }: Candidate, error: unknown): void {
    const { reason, text } = dialFailureOf(error, this.#options);
    const isSomebodyElse = reason === 'WRONG_HOST' || reason === 'CERTIFICATE_OF_ANOTHER_MACHINE';
    const outcome = {
      reason: origin !== 'name' && isSomebodyElse ? 'STALE_ADDRESS' : reason,
      address,
      origin,
      text,
    } as const;
    this.#outcomes.push(outcome);
    this.#record(address, outcome.reason, text);
  }

  #won({ address }: Candidate, link: Link): void {
    this.#isOver = true;
    this.#record(address, 'CONNECTED', `${address} is ${link.peer.machine}`);
    this.#options.linked(link, address);
  }

  #lost(): void {
    this.#isOver = true;
    const { machine, name } = this.#options;
    const answered = this.#answered ?? { reason: 'NAME_TIMEOUT', text: 'nobody answered' };
    this.#options.failed(attemptFailure({ machine, name, answered, outcomes: this.#outcomes }));
  }

  #record(address: string | undefined, outcome: AttemptRecord['outcome'], text: string): void {
    const { name, port } = this.#options;
    this.#options.record({ atMs: this.#peer.io.clock.wallNowMs(), name, address, port, outcome, text });
  }
}

export interface AttemptRoundOptions {
  readonly machine: string;
  /** What is looked up. */
  readonly name: string;
  readonly port: number;
  /** Where the machine was identified, latest first. */
  readonly identifiedBefore: readonly string[];
  /** From where it has just connected. */
  readonly inbound: readonly string[];
  /** The store that was met last. */
  readonly knownStoreId: string | undefined;
  readonly isFresh: boolean;
  readonly staggerMs: number;
  /** The name was looked up; undefined: without an answer. */
  answered(answer: NameAnswer | undefined): void;
  record(record: AttemptRecord): void;
  linked(link: Link, address: string): void;
  failed(failure: DialFailure): void;
}

function inboundCandidate(address: string): Candidate {
  return { address, origin: 'inbound' };
}

function plaintextNotAllowed(): LinkFailure {
  return new LinkFailure(
    'PLAINTEXT_NOT_ALLOWED',
    "nothing was sent, because it is not this machine and there are no keys for TLS; make some with 'posthorn keys', or set allowPlaintext where everybody on the way may read and forge",
  );
}

function anotherStore(claimedMachine: string): LinkFailure {
  return new LinkFailure('WRONG_HOST', 'a machine of that name, with another store than the one that was met before', {
    claimedMachine,
  });
}
