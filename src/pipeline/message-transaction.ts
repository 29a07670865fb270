import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Delivery, Transport } from '../transport/transport.ts';

/**
 * What receiving one message and sending from its handlers have to do with each other (G-P1).
 *
 * | mode                     | the message leaves its queue | its handlers' sends leave              | a crash means         |
 * |--------------------------|------------------------------|----------------------------------------|-----------------------|
 * | `none`                   | before the handlers          | each at once, on its own               | it may be lost        |
 * | `receiveOnly`            | after the sends              | together, after the handlers           | sends may be repeated |
 * | `sendsAtomicWithReceive` | with the sends, in one unit  | with the receive, in one unit          | nothing               |
 * | `distributed`            | as above, and databases too  | as above                               | nothing               |
 */
export type TransactionMode = 'none' | 'receiveOnly' | 'sendsAtomicWithReceive' | 'distributed';

/** The modes that exist today. */
export type AvailableMode = Exclude<TransactionMode, 'distributed'>;

/** The transaction of one delivery. */
export interface MessageTransaction {
  /** Mode `none`: removes the message now. Others have nothing to wait for. */
  start(): Promise<void> | undefined;
  /** The unit that a handler's sends join; undefined: they leave at once. */
  sends(): UnitOfWork | undefined;
  commit(): Promise<void> | undefined;
  rollback(): void;
  /** True when the message left its queue before its handlers ran. */
  readonly hasLeftQueue: boolean;
  /** True when the answer of a commit was lost. */
  readonly isInDoubt: boolean;
}

export function beginMessageTransaction(
  mode: AvailableMode,
  transport: Transport,
  delivery: Delivery,
): MessageTransaction {
  switch (mode) {
    case 'none':
      return new NoTransaction(transport, delivery);
    case 'receiveOnly':
      return new ReceiveOnlyTransaction(transport, delivery);
    case 'sendsAtomicWithReceive':
      return new AtomicTransaction(transport, delivery);
    default:
      return mode satisfies never;
  }
}

class AtomicTransaction implements MessageTransaction {
  readonly hasLeftQueue = false;
  readonly #work: UnitOfWork;

  constructor(transport: Transport, delivery: Delivery) {
    this.#work = transport.begin();
    delivery.complete(this.#work);
  }

  get isInDoubt(): boolean {
    return this.#work.state === 'unknown';
  }

  start(): undefined {
    return undefined;
  }

  sends(): UnitOfWork {
    return this.#work;
  }

  commit(): Promise<void> {
    return this.#work.commit();
  }

  rollback(): void {
    this.#work.rollback();
  }
}

class ReceiveOnlyTransaction implements MessageTransaction {
  readonly hasLeftQueue = false;
  readonly #transport: Transport;
  readonly #receive: UnitOfWork;
  /** Made for the first send. */
  #sends: UnitOfWork | undefined;

  constructor(transport: Transport, delivery: Delivery) {
    this.#transport = transport;
    this.#receive = transport.begin();
    delivery.complete(this.#receive);
  }

  get isInDoubt(): boolean {
    return this.#receive.state === 'unknown' || this.#sends?.state === 'unknown';
  }

  start(): undefined {
    return undefined;
  }

  sends(): UnitOfWork {
    this.#sends ??= this.#transport.begin();
    return this.#sends;
  }

  async commit(): Promise<void> {
    if (this.#sends !== undefined) await this.#sends.commit();
    await this.#receive.commit(); // a crash before this line repeats the sends
  }

  rollback(): void {
    this.#sends?.rollback();
    this.#receive.rollback();
  }
}

class NoTransaction implements MessageTransaction {
  readonly #removal: UnitOfWork;

  constructor(transport: Transport, delivery: Delivery) {
    this.#removal = transport.begin();
    delivery.complete(this.#removal);
  }

  get hasLeftQueue(): boolean {
    return this.#removal.state === 'committed';
  }

  get isInDoubt(): boolean {
    return this.#removal.state === 'unknown';
  }

  start(): Promise<void> {
    return this.#removal.commit();
  }

  sends(): undefined {
    return undefined;
  }

  commit(): undefined {
    return undefined;
  }

  rollback(): void {
    this.#removal.rollback();
  }
}
