import { failpoint } from '../io/failpoint.ts';
import { invariant } from '../message/posthorn-error.ts';
import type { CoordinatorCore } from './coordinator-core.ts';
import type { Witness } from './resource-manager.ts';
import { EPOCH_MAX, formatTransactionId, generationField, queueManagerField } from './transaction-id.ts';
import type { CoordinatorRecord } from './transaction-record.ts';

/**
 * The names that this opening gives its transactions, and the witness by which databases notice a store that went back in time.
 *
 *     (inert) ──start──▶ epoch + 1 ──every so many transactions──▶ epoch + 1 ──▶ …
 *                           └──an operator accepts this store──▶ new generation, epoch above what was found
 *
 * A start alone would not do: a backup taken while it runs, restored later, would begin with an epoch that no database has seen.
 * So the epoch rises while it runs too. What was restored is found out when it lacks more than about twice as many
 * transactions as an epoch has.
 *
 * The numbers of epochs last for 2^30 of them, months of the heaviest work without a pause. When they are used up, a new
 * generation begins with the next epoch, and the databases follow by the witness that we wrote before.
 *
 * Order of syncs
 * - An epoch is durable here, then in every database that is ready, and only then names transactions. A database that misses
 *   it begins no branch before it has it.
 * - Twice as many transactions as an epoch is meant for begin no branch before the next epoch stands.
 */
export class Epochs {
  readonly #core: CoordinatorCore;
  readonly #transactionsOfAnEpoch: number;
  #witness: Witness | undefined;
  #lastSequence = 0;
  #begunCount = 0;
  #starting: Promise<void> | undefined;
  #raising: Promise<void> | undefined;
  #hasAccepted = false;

  constructor(core: CoordinatorCore, transactionsOfAnEpoch: number) {
    this.#core = core;
    this.#transactionsOfAnEpoch = transactionsOfAnEpoch;
  }

  get witness(): Witness {
    invariant(this.#witness !== undefined, 'a coordinator has an epoch before its first transaction');
    return this.#witness;
  }

  /** Once; tried again by the next call when it fails. */
  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  nextId(): string {
    const { queueManager, generation, epoch } = this.witness;
    this.#begunCount++;
    if (this.#begunCount >= this.#transactionsOfAnEpoch && this.#raising === undefined) this.#raiseInBackground();
    return formatTransactionId({ queueManager, generation, epoch, sequence: ++this.#lastSequence });
  }

  /** Undefined while branches may begin; else resolves when the next epoch stands. @throws why it could not be written down */
  overdue(): Promise<void> | undefined {
    return this.#begunCount > 2 * this.#transactionsOfAnEpoch ? this.#raising : undefined;
  }

  /** True for the witness that we wrote before an operator accepted this store: its database only missed the change. */
  wasOurs(found: Witness): boolean {
    const previous = this.#core.records.coordinator?.previous;
    if (previous === undefined || previous.generation !== found.generation) return false;
    return found.epoch < previous.epoch || (found.epoch === previous.epoch && found.opening === previous.opening);
  }

  /**
   * An operator says that this store stands as it is. It gets a new generation, once in an opening: branches of the life that
   * it has forgotten stay fenced.
   */
  async accept(foundEpoch: number): Promise<void> {
    await this.#raising;
    if (this.#hasAccepted) return;
    const { generation, epoch, opening } = this.witness;
    await this.#write(this.#newGeneration(Math.max(foundEpoch, epoch) + 1, { generation, epoch, opening }));
    this.#take(opening);
    this.#hasAccepted = true;
  }

  async #start(): Promise<void> {
    const { side, io, records } = this.#core;
    await records.read();
    await side.ready();
    const before = records.coordinator;
    failpoint('recovery.before-epoch');
    // Nobody remembers which opening wrote the last witness, but none of ours is above it.
    const isUsedUp = before !== undefined && before.epoch >= EPOCH_MAX;
    await this.#write(
      before === undefined || isUsedUp
        ? this.#newGeneration(1, before === undefined ? undefined : { ...before, epoch: before.epoch + 1, opening: '' })
        : { ...before, epoch: before.epoch + 1 },
    );
    failpoint('recovery.after-epoch');
    this.#take(io.random.uuid());
  }

  #raiseInBackground(): void {
    const raising = this.#raise().finally(() => {
      this.#raising = undefined;
    });
    this.#raising = raising;
    this.#core.inBackground(
      raising.catch((error: unknown) => {
        this.#core.logger.warn('The epoch of transactions could not be raised yet; the next one tries again.', {
          error,
        });
      }),
    );
  }

  async #raise(): Promise<void> {
    const { records, resources } = this.#core;
    const before = records.coordinator;
    invariant(before !== undefined, 'an epoch is raised after the start');
    const record =
      before.epoch < EPOCH_MAX ? { ...before, epoch: before.epoch + 1 } : this.#newGeneration(1, this.witness);
    await this.#write(record);
    const next = { ...this.witness, generation: record.generation, epoch: record.epoch };
    await Promise.all([...resources.values()].map((resource) => resource.raiseTo(next)));
    this.#witness = next;
    this.#begunCount = 0;
  }

  #newGeneration(epoch: number, previous: CoordinatorRecord['previous']): CoordinatorRecord {
    const generation = generationField(this.#core.io.random.uuid());
    if (previous === undefined) return { generation, epoch };
    return {
      generation,
      epoch,
      previous: { generation: previous.generation, epoch: previous.epoch, opening: previous.opening },
    };
  }

  #write(record: CoordinatorRecord): Promise<void> {
    return this.#core.records.writeCoordinator(record);
  }

  #take(opening: string): void {
    const record = this.#core.records.coordinator;
    invariant(record !== undefined, 'the epoch is durable before the witness is taken');
    const queueManager = queueManagerField(this.#core.side.storeId);
    this.#witness = { queueManager, generation: record.generation, epoch: record.epoch, opening };
  }
}
