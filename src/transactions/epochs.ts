import { failpoint } from '../io/failpoint.ts';
import { invariant } from '../message/posthorn-error.ts';
import type { CoordinatorCore } from './coordinator-core.ts';
import { EPOCH_GROWTH, EPOCH_MS_MIN } from './limits.ts';
import type { Witness } from './resource-manager.ts';
import { formatTransactionId, generationField, queueManagerField } from './transaction-id.ts';
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
 * An epoch has a fixed number of them as long as it lasts a quarter of a second or longer; the epochs of a busier machine grow,
 * until they do. So there are four a second at most, which would use up the numbers in eight years of work without a pause.
 *
 * Order of syncs
 * - An epoch is durable here, then in every database that is ready, and only then names transactions. A database that misses
 *   it begins no branch before it has it.
 * - Twice as many transactions as an epoch is meant for begin no branch before the next epoch stands.
 */
export class Epochs {
  readonly #core: CoordinatorCore;
  readonly #sizeMin: number;
  /** Transactions of the present epoch. */
  #size: number;
  #begunMs: number;
  #witness: Witness | undefined;
  #lastSequence = 0;
  #begunCount = 0;
  #starting: Promise<void> | undefined;
  #raising: Promise<void> | undefined;
  #hasAccepted = false;

  constructor(core: CoordinatorCore, transactionsOfAnEpoch: number) {
    this.#core = core;
    this.#sizeMin = transactionsOfAnEpoch;
    this.#size = transactionsOfAnEpoch;
    this.#begunMs = core.io.clock.monotonicNowMs();
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
    if (this.#begunCount >= this.#size && this.#raising === undefined) this.#raiseInBackground();
    return formatTransactionId({ queueManager, generation, epoch, sequence: ++this.#lastSequence });
  }

  /** Undefined while branches may begin; else resolves when the next epoch stands. @throws why it could not be written down */
  overdue(): Promise<void> | undefined {
    return this.#begunCount > 2 * this.#size ? this.#raising : undefined;
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
    await this.#write({
      generation: generationField(this.#core.io.random.uuid()),
      epoch: Math.max(foundEpoch, epoch) + 1,
      previous: { generation, epoch, opening },
    });
    this.#take(opening);
    this.#hasAccepted = true;
  }

  async #start(): Promise<void> {
    const { side, io, records } = this.#core;
    await records.read();
    await side.ready();
    const before = records.coordinator;
    failpoint('recovery.before-epoch');
    await this.#write({
      ...before,
      generation: before?.generation ?? generationField(io.random.uuid()),
      epoch: (before?.epoch ?? 0) + 1,
    });
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
    const next = { ...this.witness, epoch: before.epoch + 1 };
    await this.#write({ ...before, epoch: next.epoch });
    await Promise.all([...resources.values()].map((resource) => resource.raiseTo(next)));
    this.#witness = next;
    this.#begunCount = 0;
    this.#resize();
  }

  #resize(): void {
    const nowMs = this.#core.io.clock.monotonicNowMs();
    const tookMs = nowMs - this.#begunMs;
    if (tookMs < EPOCH_MS_MIN) this.#size = Math.ceil(this.#size * EPOCH_GROWTH);
    else if (tookMs > 2 * EPOCH_MS_MIN) this.#size = Math.max(this.#sizeMin, Math.floor(this.#size / EPOCH_GROWTH));
    this.#begunMs = nowMs;
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
