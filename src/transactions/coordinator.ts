import type { Io } from '../io/io.ts';
import { type Logger, silentLogger } from '../io/logger.ts';
import { CoordinatorCore, type FollowUp } from './coordinator-core.ts';
import { CoordinatorRecords } from './coordinator-records.ts';
import type { DistributedTransaction, TransactionRequest } from './distributed-transaction.ts';
import { Epochs } from './epochs.ts';
import { RequestTimedOut } from './errors.ts';
import { STOP_ANSWER_MS_MAX, TRANSACTIONS_OF_AN_EPOCH } from './limits.ts';
import { LiveTransaction } from './live-transaction.ts';
import { MarkerCleaner } from './marker-cleaner.ts';
import { OperatorActions } from './operator-actions.ts';
import type { QueueSide } from './queue-side.ts';
import { Recovery } from './recovery.ts';
import type { ResourceManager, Witness } from './resource-manager.ts';
import { checkUse, ResourceUses } from './resource-uses.ts';
import type { ResourceUse, TransactionCoordinator, UseRequest } from './transaction-coordinator.ts';
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
  readonly #epochs: Epochs;
  readonly #recovery: Recovery;
  readonly #uses: ResourceUses;
  readonly #views: Views;
  readonly #actions: OperatorActions;
  readonly #cleaners = new Map<ResourceManager, MarkerCleaner>();
  /** Endpoints start one after the other: what they need of a database adds up. */
  #lastUse: Promise<unknown> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  constructor(options: CoordinatorOptions) {
    const { side, io, logger = silentLogger } = options;
    this.#records = new CoordinatorRecords(side.store);
    const core = new CoordinatorCore({ side, io, logger, records: this.#records, follow: this.#makeFollowUp() });
    this.#core = core;
    this.#epochs = new Epochs(core, options.transactionsOfAnEpoch ?? TRANSACTIONS_OF_AN_EPOCH);
    this.#recovery = new Recovery(core, () => this.#epochs.witness);
    this.#views = new Views(core);
    this.#uses = new ResourceUses({
      core,
      recovery: this.#recovery,
      owner: {
        witness: () => this.#epochs.witness,
        overdue: () => this.#epochs.overdue(),
        fenceOf: (resource) => this.#records.fences.get(resource),
        fence: (resource, found) => this.#fence(resource, found),
        needsMarkers: (resource) => this.#core.needsMarkers(resource),
        fenceForMarkers: (resource) => this.#fenceForMarkers(resource),
        wasOurs: (found) => this.#epochs.wasOurs(found),
        changed: () => this.#uses.changed(),
        usableAgain: (resource) => logger.info(`Database '${resource}' can be used again.`, { resource }),
        givenUp: core.givenUp,
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
      await this.#epochs.start();
      // Second units that were due when the process before this one ended.
      this.#recovery.unitDue();
      return this.#uses.add(request);
    });
    this.#lastUse = use.catch(() => {
      // Whoever asked hears of it; the next one only waits for its end.
    });
    return use;
  }

  begin(request: TransactionRequest): DistributedTransaction {
    return new LiveTransaction(this.#core, this.#epochs.nextId(), request);
  }

  async list(request: ViewRequest): Promise<TransactionPage> {
    await this.#records.read();
    return this.#views.page(request);
  }

  async show({ id }: { readonly id: string }): Promise<TransactionView | undefined> {
    await this.#records.read();
    return this.#views.find(id) ?? this.#views.settled(id);
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
    const { io, resources } = this.#core;
    this.#core.stop();
    const open = new Set(resources.values());
    const giveUp = (): void => this.#giveUp([...open]);
    const deadline = io.timers.after(STOP_ANSWER_MS_MAX, giveUp, { keepsProcessAlive: true });
    await this.#lastUse;
    for (const resource of resources.values()) open.add(resource);
    await Promise.all([
      this.#recovery.stop(),
      this.#core.whenBackgroundDone(),
      ...[...open].map((resource) => this.#letGo(resource).then(() => open.delete(resource))),
    ]);
    deadline.cancel();
  }

  async #letGo(resource: UsedResource): Promise<void> {
    await resource.round?.catch(() => undefined); // whoever began it has heard of it
    await this.#cleaners.get(resource.manager)?.stop();
    await Promise.allSettled([resource.manager.close()]);
  }

  /** Nothing is lost by it: what is not settled is written down, or presumed. */
  #giveUp(resources: readonly UsedResource[]): void {
    if (resources.length === 0) return;
    const names = resources.map(({ name }) => name);
    const shown = names.join("' and '");
    this.#core.logger.warn(
      `The stop does not wait longer for '${shown}'. What is not settled there is settled at the next start.`,
      { resources: names },
    );
    this.#core.giveUp(
      new RequestTimedOut(shown, 'what was asked last', STOP_ANSWER_MS_MAX, 'the stop waits no longer'),
    );
    for (const { manager } of resources) manager.cut();
  }

  async #fence(resource: string, found: Witness): Promise<void> {
    const { generation, epoch } = this.#epochs.witness;
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

  async #fenceForMarkers(resource: string): Promise<void> {
    const { witness } = this.#epochs;
    const { io, logger } = this.#core;
    await this.#records.writeFence({
      resource,
      sinceMs: io.clock.wallNowMs(),
      isMarkerTableGone: true,
      found: { generation: witness.generation, epoch: witness.epoch, opening: witness.opening },
      wanted: { generation: witness.generation, epoch: witness.epoch },
      sequenceMax: 0,
    });
    logger.error(
      `Database '${resource}' is fenced: its table posthorn_marker is gone, while transactions are in doubt there. Nothing is concluded from that: 'posthorn transactions list' says what can be done.`,
      { resource },
    );
  }

  /** An operator ends the fence of a database. Databases that are ours still follow, now or when they are reached. */
  async #accept(resource: UsedResource): Promise<void> {
    const fence = this.#records.fences.get(resource.name);
    const deleteFence = (): Promise<void> => this.#records.deleteFence(resource.name);
    if (fence?.isMarkerTableGone === true) {
      await resource.acceptEmptyMarkers(deleteFence);
    } else {
      if (fence !== undefined) await this.#epochs.accept(fence.found.epoch);
      await resource.accept(deleteFence);
    }
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
    const resource = this.#core.resources.get(name);
    if (resource === undefined) return undefined;
    const { manager, recovery } = resource;
    const known = this.#cleaners.get(manager);
    if (known !== undefined) return known;
    const noteFailure = (error: Error): void => {
      this.#core.logger.debug(`Marker rows in '${name}' could not be deleted yet: ${error.message}`, { error });
    };
    const cleaner = new MarkerCleaner(recovery, this.#core.io, noteFailure);
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
  /** For tests, which have no time for as many. */
  readonly transactionsOfAnEpoch?: number;
}
