import { invariant } from '../message/posthorn-error.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { Delivery, Transport } from '../transport/transport.ts';
import { type DistributedParts, DistributedWork, type WorkScope } from './distributed-work.ts';

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

/** The transaction of one delivery. */
export interface MessageTransaction {
  /** Mode `none`: removes the message now. Others have nothing to wait for. Once, before everything else. */
  start(scope: WorkScope): Promise<void> | undefined;
  /** The unit that a handler's sends join; undefined: they leave at once. */
  sends(): UnitOfWork | undefined;
  commit(): Promise<void> | undefined;
  /** In mode `distributed` resolves when the databases have rolled back; the queue side has at once. */
  rollback(): Promise<void> | undefined;
  /** Mode `distributed`: what databases are enlisted in. Undefined in all others, and before `start`. */
  readonly distributed: DistributedWork | undefined;
  /** True when the message left its queue before its handlers ran. */
  readonly hasLeftQueue: boolean;
  /** True when the answer of a commit was lost. */
  readonly isInDoubt: boolean;
}

export function beginMessageTransaction(how: TransactionKind, delivery: Delivery): MessageTransaction {
  const { mode, transport } = how;
  switch (mode) {
    case 'none':
      return new NoTransaction(transport, delivery);
    case 'receiveOnly':
      return new ReceiveOnlyTransaction(transport, delivery);
    case 'sendsAtomicWithReceive':
      return new AtomicTransaction(transport, delivery);
    case 'distributed':
      return new DistributedMessageTransaction(how.distributed, delivery);
    default:
      return mode satisfies never;
  }
}

export interface TransactionKind {
  readonly mode: TransactionMode;
  readonly transport: Transport;
  readonly distributed: DistributedParts;
}

class DistributedMessageTransaction implements MessageTransaction {
  readonly hasLeftQueue = false;
  readonly #parts: DistributedParts;
  readonly #delivery: Delivery;
  #work: DistributedWork | undefined;

  constructor(parts: DistributedParts, delivery: Delivery) {
    this.#parts = parts;
    this.#delivery = delivery;
  }

  get distributed(): DistributedWork | undefined {
    return this.#work;
  }

  get isInDoubt(): boolean {
    return this.#work?.isInDoubt ?? false;
  }

  start(scope: WorkScope): undefined {
    this.#work = new DistributedWork(this.#parts, scope);
    this.#delivery.complete(this.#work.unit);
  }

  sends(): UnitOfWork {
    return this.#started.unit;
  }

  commit(): Promise<void> {
    return this.#started.commit();
  }

  rollback(): Promise<void> | undefined {
    return this.#work?.rollback();
  }

  get #started(): DistributedWork {
    invariant(this.#work !== undefined, 'a message transaction is started before its handlers');
    return this.#work;
  }
}

class AtomicTransaction implements MessageTransaction {
  readonly distributed = undefined;
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

  rollback(): undefined {
    this.#work.rollback();
  }
}

class ReceiveOnlyTransaction implements MessageTransaction {
  readonly distributed = undefined;
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

  rollback(): undefined {
    this.#sends?.rollback();
    this.#receive.rollback();
  }
}

class NoTransaction implements MessageTransaction {
  readonly distributed = undefined;
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

  rollback(): undefined {
    this.#removal.rollback();
  }
}
