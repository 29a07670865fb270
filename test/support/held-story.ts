import assert from 'node:assert/strict';
import type { QueueManagerOptions } from '../../src/queues/queue-manager-options.ts';
import type { QueueSide } from '../../src/transactions/queue-side.ts';
import { SteppedWork } from '../../src/transactions/stepped-work.ts';
import type { TransactionCoordinator } from '../../src/transactions/transaction-coordinator.ts';
import { formatTransactionId, generationField, queueManagerField } from '../../src/transactions/transaction-id.ts';
import { TRANSACTION_PREFIX, type TransactionRecord } from '../../src/transactions/transaction-record.ts';
import type { Delivery, OutgoingMessage } from '../../src/transport/transport.ts';
import { TransferStory } from './transfer-story.ts';

/** A queue manager in memory and the queue side of its transactions, moved by hand where a database would decide. */
export class HeldStory extends TransferStory {
  #side: QueueSide | undefined;
  #transactionCount = 0;

  static override async begin(): Promise<HeldStory> {
    const story = new HeldStory(0);
    await story.open();
    return story;
  }

  /** Of the process that runs now. */
  get side(): QueueSide {
    assert.ok(this.#side, 'the queue manager of this story is open');
    return this.#side;
  }

  protected override openOptions(): Pick<QueueManagerOptions, 'makeCoordinator'> {
    return {
      makeCoordinator: ({ side }) => {
        this.#side = side;
        // The story takes the coordinator's part; what a queue manager asks of it is to stop.
        return { stop: async () => undefined } as unknown as TransactionCoordinator;
      },
    };
  }

  /** Receives the next message of `input`, sends, and writes both down: the first step of a transaction with a marker row. */
  stage(wishes: Wishes): Promise<Written> {
    return this.#write(wishes, 'staged');
  }

  /** The same as the decision of a two-phase commit: the input is gone, the sends are held. */
  decide(wishes: Wishes): Promise<Written> {
    return this.#write(wishes, 'decided');
  }

  /** The rest of a transaction that an earlier process wrote down. */
  continue(id: string): SteppedWork {
    const record = this.side.found.find((found) => found.id === id);
    assert.ok(record, `transaction ${id} was found at the open`);
    return SteppedWork.continue(this.side.store, () => this.side.rebuild(record));
  }

  /** How many messages were held when this process began. */
  get heldAtOpen(): number {
    return this.side.store.opened.places.find(({ kind }) => kind === 'held')?.messageCount ?? 0;
  }

  async recordIds(): Promise<string[]> {
    const { entries } = await this.side.store.readState({ prefix: TRANSACTION_PREFIX, countMax: 1000 });
    return entries.map(({ key }) => key.slice(TRANSACTION_PREFIX.length));
  }

  async #write({ input, sends = [], state }: Wishes, step: 'staged' | 'decided'): Promise<Written> {
    await this.side.ready();
    const work = this.side.begin();
    const delivery = input === undefined ? undefined : await this.#receiveFrom(input);
    delivery?.complete(work);
    await this.manager.send(sends, work);
    if (state !== undefined) this.manager.setState(work, state.key, state.value);
    const stepped = SteppedWork.begin(this.side.store, work.takeParticipants());
    const id = this.#newId();
    const recordOf = (rest: Pick<TransactionRecord, 'parts' | 'sends'>): TransactionRecord => ({
      id,
      protocol: step === 'staged' ? 'marker' : 'twoPhase',
      state: step,
      endpoint: 'sales',
      startedMs: 1,
      writtenMs: 2,
      branches: [{ resource: 'orders', qualifier: 'aaaaaaaaaaaaa.aa', session: '1' }],
      ...rest,
    });
    const record = await (step === 'staged' ? stepped.stage(recordOf) : stepped.decide(recordOf, true));
    return { id, record, work: stepped, delivery };
  }

  async #receiveFrom(queue: string): Promise<Delivery> {
    const receiver = await this.manager.openReceiver(queue);
    const delivery = await this.receive(receiver);
    receiver.close();
    assert.ok(delivery, `a message is ready in '${queue}'`);
    return delivery;
  }

  #newId(): string {
    return formatTransactionId({
      queueManager: queueManagerField(this.side.storeId),
      generation: generationField(this.side.storeId),
      epoch: 1,
      sequence: ++this.#transactionCount,
    });
  }
}

export interface Wishes {
  /** A queue. */
  readonly input?: string;
  readonly sends?: readonly OutgoingMessage[];
  readonly state?: { readonly key: string; readonly value: string | undefined };
}

export interface Written {
  readonly id: string;
  readonly record: TransactionRecord;
  readonly work: SteppedWork;
  readonly delivery: Delivery | undefined;
}
