import { failpoint } from '../io/failpoint.ts';
import type { Io } from '../io/io.ts';
import { type Logger, silentLogger } from '../io/logger.ts';
import { invariant } from '../message/posthorn-error.ts';
import { CoordinatorCore, type FollowUp } from './coordinator-core.ts';
import { CoordinatorRecords } from './coordinator-records.ts';
import type { DistributedTransaction, TransactionRequest } from './distributed-transaction.ts';
import { LiveTransaction } from './live-transaction.ts';
import { MarkerCleaner } from './marker-cleaner.ts';
import { OperatorActions } from './operator-actions.ts';
import type { QueueSide } from './queue-side.ts';
import { Recovery } from './recovery.ts';
import type { ResourceManager, Witness } from './resource-manager.ts';
import { checkUse, ResourceUses } from './resource-uses.ts';
import type { ResourceUse, TransactionCoordinator, UseRequest } from './transaction-coordinator.ts';
import { formatTransactionId, generationField, queueManagerField } from './transaction-id.ts';
import type { CoordinatorRecord } from './transaction-record.ts';
import type { OperatorWish, TransactionPage, TransactionView, ViewRequest } from './transaction-view.ts';
import type { UsedResource } from './used-resource.ts';
import { Views } from './view.ts';

/**
 * Brings the queues of one queue manager and databases to one outcome.
 *
 *     inert ──first use()──▶ epoch synced ──▶ witness of each database ──▶ branches, recovery ──▶ stopped
 *
 * Invariants
 * - The epoch of this opening is durable before its first branch: no id is ever used twice.
 * - Records found at open keep their inputs and sends locked, whether or not anybody uses their databases.
 * - Recovery concludes from what runs in this process and from what is written down, never from silence (G-X11).
 */
export class Coordinator implements TransactionCoordinator {
  readonly #core: CoordinatorCore;
  readonly #records: CoordinatorRecords;
  readonly #recovery: Recovery;
  readonly #uses: ResourceUses;
  readonly #views: Views;
  readonly #actions: OperatorActions;
  readonly #cleaners = new Map<ResourceManager, MarkerCleaner>();
  #witness: Witness | undefined;
  #hasAccepted = false;
  #lastSequence = 0;
  #starting: Promise<void> | undefined;
  /** Endpoints start one after the other: what they need of a database adds up. */
  #lastUse: Promise<unknown> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  constructor({ side, io, logger = silentLogger }: CoordinatorOptions) {
    this.#records = new CoordinatorRecords(side.store);
    const core = new CoordinatorCore({ side, io, logger, records: this.#records, follow: this.#makeFollowUp() });
    this.#core = core;
    this.#recovery = new Recovery(core, () => this.#self());
    this.#views = new Views(core);
    this.#uses = new ResourceUses({
      core,
      recovery: this.#recovery,
      owner: {
        witness: () => this.#self(),
        fenceOf: (resource) => this.#records.fences.get(resource),
        fence: (resource, found) => this.#fence(resource, found),
        wasOurs: (found) => this.#wasOurs(found),
        changed: () => this.#uses.changed(),
      },
      viewOf: (resource) => this.#views.resourceView(resource),
    });
    this.#actions = new OperatorActions({
      core,
      recovery: this.#recovery,
      views: this.#views,
      accept: (resource) => this.#accept(resource),
    });
    side.onStoreCondition(({ state }) => {
      if (state === 'ready') this.#recovery.unitDue();
    });
  }

  async use(request: UseRequest): Promise<ResourceUse> {
    checkUse(request);
    const use = this.#lastUse.then(async () => {
      await this.#start();
      return this.#uses.add(request);
    });
    this.#lastUse = use.catch(() => {
      // Whoever asked hears of it; the next one only waits for its end.
    });
    return use;
  }

  begin(request: TransactionRequest): DistributedTransaction {
    const { queueManager, generation, epoch } = this.#self();
    const id = formatTransactionId({ queueManager, generation, epoch, sequence: ++this.#lastSequence });
    return new LiveTransaction(this.#core, id, request);
  }

  async list(request: ViewRequest): Promise<TransactionPage> {
    await this.#records.read();
    return this.#views.page(request);
  }

  async show({ id }: { readonly id: string }): Promise<TransactionView | undefined> {
    await this.#records.read();
    return this.#views.find(id);
  }

  async act(wish: OperatorWish): Promise<TransactionView | undefined> {
    await this.#records.read();
    return this.#actions.act(wish);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#core.stop();
    await this.#lastUse;
    await this.#recovery.stop();
    await this.#core.whenBackgroundDone();
    await Promise.all([...this.#cleaners.values()].map((cleaner) => cleaner.stop()));
    await Promise.allSettled([...this.#core.resources.values()].map(({ manager }) => manager.close()));
  }

  #self(): Witness {
    invariant(this.#witness !== undefined, 'a coordinator has an epoch before its first transaction');
    return this.#witness;
  }

  #start(): Promise<void> {
    this.#starting ??= this.#tryStart().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  async #tryStart(): Promise<void> {
    const { side, io } = this.#core;
    await this.#records.read();
    await side.ready();
    const before = this.#records.coordinator;
    failpoint('recovery.before-epoch');
    await this.#records.writeCoordinator({
      ...before,
      generation: before?.generation ?? generationField(io.random.uuid()),
      epoch: (before?.epoch ?? 0) + 1,
    });
    failpoint('recovery.after-epoch');
    this.#takeWitness(io.random.uuid());
    this.#recovery.unitDue();
  }

  #takeWitness(opening: string): void {
    const record = this.#records.coordinator;
    invariant(record !== undefined, 'the epoch is durable before the witness is taken');
    const queueManager = queueManagerField(this.#core.side.storeId);
    this.#witness = { queueManager, generation: record.generation, epoch: record.epoch, opening };
  }

  async #fence(resource: string, found: Witness): Promise<void> {
    const { generation, epoch } = this.#self();
    const { side, io, logger } = this.#core;
    await this.#records.writeFence({
      resource,
      sinceMs: io.clock.wallNowMs(),
      found: { generation: found.generation, epoch: found.epoch, opening: found.opening },
      wanted: { generation, epoch },
      sequenceMax: side.highestSequence(),
    });
    logger.error(
      `Database '${resource}' is fenced: its witness row says that this store went back in time or is a copy. Nothing is received by endpoints that use it: 'posthorn transactions list' says what can be done.`,
      { resource },
    );
  }

  #wasOurs(found: Witness): boolean {
    const previous = this.#records.coordinator?.previous;
    if (previous === undefined || previous.generation !== found.generation) return false;
    return found.epoch < previous.epoch || (found.epoch === previous.epoch && found.opening === previous.opening);
  }

  /**
   * An operator says that this store stands as it is. It gets a new generation: branches of the life that it has forgotten
   * stay fenced. Databases that are ours still follow, now or when they are reached.
   */
  async #accept(resource: UsedResource): Promise<void> {
    const fence = this.#records.fences.get(resource.name);
    const before = this.#self();
    if (!this.#hasAccepted && fence !== undefined) {
      const accepted: CoordinatorRecord = {
        generation: generationField(this.#core.io.random.uuid()),
        epoch: Math.max(fence.found.epoch, before.epoch) + 1,
        previous: { generation: before.generation, epoch: before.epoch, opening: before.opening },
      };
      await this.#records.writeCoordinator(accepted);
      this.#takeWitness(before.opening);
      this.#hasAccepted = true;
    }
    await resource.accept(() => this.#records.deleteFence(resource.name));
    for (const other of this.#core.resources.values()) if (other !== resource) this.#recovery.lookAt(other);
    this.#recovery.unitDue();
  }

  #makeFollowUp(): FollowUp {
    const lookAt = (name: string): void => {
      const resource = this.#core.resources.get(name);
      if (resource !== undefined) this.#recovery.lookAt(resource);
    };
    return {
      lookAt: (names) => names.forEach(lookAt),
      watch: (name, branch) => {
        this.#core.resources.get(name)?.watched.set(`${branch.transaction}:${branch.qualifier}`, branch);
        lookAt(name);
      },
      markerApplied: (name, transaction) => this.#cleanerOf(name)?.add(transaction),
      abortRowNoted: (row) => {
        this.#records.abortRows.set(row.id, row);
        lookAt(row.resource);
      },
      unitDue: () => this.#recovery.unitDue(),
    };
  }

  #cleanerOf(name: string): MarkerCleaner | undefined {
    const manager = this.#core.resources.get(name)?.manager;
    if (manager === undefined) return undefined;
    const known = this.#cleaners.get(manager);
    if (known !== undefined) return known;
    const noteFailure = (error: Error): void => {
      this.#core.logger.debug(`Marker rows in '${name}' could not be deleted yet: ${error.message}`, { error });
    };
    const cleaner = new MarkerCleaner(manager, this.#core.io, noteFailure);
    this.#cleaners.set(manager, cleaner);
    return cleaner;
  }
}

export interface CoordinatorOptions {
  /** Ready to be asked for what was found at open. */
  readonly side: QueueSide;
  readonly io: Io;
  /** Default: says nothing. */
  readonly logger?: Logger | undefined;
}
