import type { Io } from '../io/io.ts';
import { formatAddress, parseAddress } from '../message/address.ts';
import { InvalidOption } from '../message/errors.ts';
import { headersOf } from '../message/headers.ts';
import type { BrowseRange } from '../queues/browsing.ts';
import { QueueNotFound } from '../queues/errors.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import type { QueueStatus } from '../queues/queue-status.ts';
import { isOutcomeUnknown } from '../transactions/outcome-unknown.ts';
import type { OperatorWish, TransactionPage, TransactionView } from '../transactions/transaction-view.ts';
import type { PingReport } from '../transfer/ping-report.ts';
import type { TransferOperations } from '../transfer/transfer-operations.ts';
import type { Delivery } from '../transport/transport.ts';
import { declareQueue } from './declare-queue.ts';
import { describeHealth } from './describe-health.ts';
import { InvalidFilter, InvalidRequest, QueueManagerNotRunning } from './errors.ts';
import { countIntoGroups, type FailureGroup } from './failure-group.ts';
import { CHANGE_PAGE_MESSAGES_MAX, ID_PREFIX_LENGTH_MIN, PAGE_MESSAGES_MAX, PAGE_QUEUES_MAX } from './limits.ts';
import { messageMatcher, needsBodies } from './message-filter.ts';
import { detailMessage, summarizeMessage } from './message-summary.ts';
import { oldestSentMs } from './oldest-message.ts';
import type {
  DeclaredQueue,
  DeclareQueueRequest,
  FindRequest,
  FoundPage,
  GroupPage,
  HealthDescription,
  IncomingDescription,
  ManagerDescription,
  MessagePage,
  MoveRequest,
  Operations,
  OutgoingDescription,
  OutgoingPage,
  OutgoingRequest,
  OutgoingWish,
  PurgeRequest,
  QueueDescription,
  QueuePage,
  ReadRequest,
  SendRequest,
  SendResult,
  StartReturnRequest,
  SubscriptionPage,
  TransactionActed,
  TransactionsRequest,
  WorkedPage,
} from './operations.ts';
import { OutgoingOperations } from './outgoing-operations.ts';
import { pageEnd } from './page-end.ts';
import type { ReturnOperation } from './return-operation.ts';
import { ReturnToSource } from './return-to-source.ts';
import { SendMessages } from './send-messages.ts';
import { SUBSCRIPTION_PREFIX } from './subscription-key.ts';
import { TransactionOperations } from './transaction-operations.ts';

/** The operations, on a queue manager of this process. */
export class LocalOperations implements Operations {
  readonly #manager: QueueManager;
  readonly #io: Io;
  readonly #returns: ReturnToSource;
  readonly #sends: SendMessages;
  readonly #outgoing: OutgoingOperations;
  readonly #transactions: TransactionOperations;
  readonly #transfer: TransferOperations | undefined;
  readonly #isRunning: boolean;

  /**
   * Without `transfer` nothing moves between machines. `isStopped`: the directory is opened for a page of work, so no endpoint
   * and no database is at hand.
   */
  constructor(manager: QueueManager, io: Io, transfer?: TransferOperations, options: LocalOptions = {}) {
    this.#manager = manager;
    this.#io = io;
    this.#returns = new ReturnToSource(manager, io);
    this.#sends = new SendMessages(manager, io);
    this.#outgoing = new OutgoingOperations(manager, io, transfer);
    this.#isRunning = options.isStopped !== true;
    this.#transactions = new TransactionOperations(manager, io, { isRunning: this.#isRunning });
    this.#transfer = transfer;
  }

  describeManager(): Promise<ManagerDescription> {
    const { machine, directory, storeId, storeCondition } = this.#manager;
    const queues = this.#manager.status().map((status) => status.queue);
    const highestSequence = this.#manager.highestSequence();
    return Promise.resolve({
      machine,
      directory,
      storeId,
      pid: process.pid,
      condition: storeCondition.state,
      highestSequence,
      queues,
    });
  }

  async describeQueues(request: { readonly afterQueue?: string | undefined }): Promise<QueuePage> {
    const all = [...this.#manager.status()].sort((left, right) => (left.queue < right.queue ? -1 : 1));
    const wanted = all.filter((status) => request.afterQueue === undefined || status.queue > request.afterQueue);
    const page = wanted.slice(0, PAGE_QUEUES_MAX);
    const queues: QueueDescription[] = [];
    for (const status of page) queues.push(await this.#describeQueue(status));
    return { queues, isLast: page.length === wanted.length };
  }

  async readMessages(request: ReadRequest): Promise<MessagePage> {
    const matches = messageMatcher(request.filter ?? {}, this.#io.clock.wallNowMs());
    const withBodies = request.withPreviews === true || needsBodies(request.filter);
    const page = await this.#manager.browse(this.#rangeOf(request, { withBodies }));
    const messages = page.messages.filter(matches).map(summarizeMessage);
    const shown =
      request.withPreviews === true ? messages : messages.map((message) => ({ ...message, preview: undefined }));
    return { messages: shown, ...pageEnd(page, page.messages.length, request.sequenceMax) };
  }

  async findMessage(request: FindRequest): Promise<FoundPage> {
    if (typeof request.id !== 'string' || request.id === '') throw new InvalidFilter('id', 'is empty');
    const isPrefix = request.id.length >= ID_PREFIX_LENGTH_MIN;
    const page = await this.#manager.browse(this.#rangeOf(request, {}));
    const found = page.messages.find(
      (message) => message.id === request.id || (isPrefix && message.id.startsWith(request.id)),
    );
    if (found === undefined) return { message: undefined, ...pageEnd(page, page.messages.length, undefined) };
    // Read again alone, now with its body, so that a page of large bodies is never read for one.
    const alone = await this.#manager.browse(
      this.#rangeOf({ ...request, afterPosition: found.position - 1 }, { withBodies: true, countMax: 1 }),
    );
    const whole = alone.messages[0]?.position === found.position ? detailMessage(alone.messages[0]) : undefined;
    return { message: whole, lookedAt: page.messages.indexOf(found) + 1, lastPosition: found.position, isLast: false };
  }

  async groupFailures(request: ReadRequest): Promise<GroupPage> {
    const matches = messageMatcher(request.filter ?? {}, this.#io.clock.wallNowMs());
    const page = await this.#manager.browse(this.#rangeOf(request, { withBodies: needsBodies(request.filter) }));
    const groups = new Map<string, FailureGroup>();
    countIntoGroups(groups, page.messages.filter(matches));
    return { groups: [...groups.values()], ...pageEnd(page, page.messages.length, request.sequenceMax) };
  }

  startReturn(request: StartReturnRequest): Promise<ReturnOperation> {
    return this.#returns.start(request);
  }

  continueReturn(request: { readonly id: string; readonly countMax: number }): Promise<ReturnOperation> {
    return this.#returns.continue(request.id, request.countMax);
  }

  cancelReturn(request: { readonly id: string }): Promise<ReturnOperation> {
    return this.#returns.cancel(request.id);
  }

  listReturns(): Promise<readonly ReturnOperation[]> {
    return this.#returns.list();
  }

  purgePage(request: PurgeRequest): Promise<WorkedPage> {
    return this.#changePage(request, async (deliveries, work) => {
      for (const delivery of deliveries) delivery.complete(work);
      this.#manager.notePurged(deliveries, work);
    });
  }

  movePage(request: MoveRequest): Promise<WorkedPage> {
    const destination = parseAddress(request.to);
    const isHere = this.#manager.isHere(destination.machine);
    if (isHere && destination.queue === request.queue && (request.kind ?? 'queue') === 'queue') {
      throw new InvalidOption(
        'to',
        `is '${formatAddress(destination)}', the queue that the messages are in`,
        'Name another queue.',
      );
    }
    if (isHere) this.#checkQueue(destination.queue);
    return this.#changePage(request, async (deliveries, work) => {
      for (const delivery of deliveries) {
        const { body, priority, headers: headerBytes } = delivery;
        await this.#manager.send([{ destination, headers: headersOf({}), headerBytes, body, priority }], work);
        delivery.complete(work);
      }
    });
  }

  send(request: SendRequest): Promise<SendResult> {
    return this.#sends.send(request);
  }

  /** Forgets the names of sends whose senders never came back. */
  forgetOldSends(): Promise<void> {
    return this.#sends.forgetOld();
  }

  async readSubscriptions(request: { readonly afterKey?: string | undefined }): Promise<SubscriptionPage> {
    const { afterKey } = request;
    const page = await this.#manager.readState({
      prefix: SUBSCRIPTION_PREFIX,
      countMax: 256,
      ...(afterKey !== undefined && { afterKey }),
    });
    return { subscriptions: page.entries, isLast: page.isLast };
  }

  declareQueue(request: DeclareQueueRequest): Promise<DeclaredQueue> {
    return declareQueue(this.#manager, request);
  }

  describeOutgoing(request: OutgoingRequest): Promise<OutgoingPage> {
    return this.#outgoing.describe(request);
  }

  async describeIncoming(): Promise<IncomingDescription> {
    return this.#outgoing.describeIncoming();
  }

  holdOutgoing(request: OutgoingWish & { readonly by: string }): Promise<OutgoingDescription> {
    return this.#outgoing.hold(request);
  }

  releaseOutgoing(request: OutgoingWish): Promise<OutgoingDescription> {
    return this.#outgoing.release(request);
  }

  retryOutgoing(request: OutgoingWish): Promise<OutgoingDescription> {
    return this.#outgoing.retry(request);
  }

  async ping(request: { readonly machine: string }): Promise<PingReport> {
    const machine = readMachine(request);
    if (this.#transfer !== undefined) return await this.#transfer.ping(machine);
    throw new QueueManagerNotRunning(this.#manager.directory, `'${machine}' is not looked for from here`);
  }

  listTransactions(request: TransactionsRequest): Promise<TransactionPage> {
    return this.#transactions.list(request);
  }

  showTransaction(request: { readonly id: string }): Promise<TransactionView> {
    return this.#transactions.show(request);
  }

  actOnTransaction(wish: OperatorWish): Promise<TransactionActed> {
    return this.#transactions.act(wish);
  }

  describeHealth(): Promise<HealthDescription> {
    return describeHealth(this.#manager, this.#io, { isRunning: this.#isRunning });
  }

  /** Takes a page and lets `change` put it into one unit of work. */
  async #changePage(
    request: PurgeRequest,
    change: (deliveries: readonly Delivery[], work: ReturnType<QueueManager['begin']>) => Promise<void>,
  ): Promise<WorkedPage> {
    const matches = messageMatcher(request.filter ?? {}, this.#io.clock.wallNowMs());
    const range = this.#rangeOf(request, {
      withBodies: needsBodies(request.filter),
      countMax: CHANGE_PAGE_MESSAGES_MAX,
    });
    const page = await this.#manager.takePage(range, matches);
    const deliveries = page.taken.map((taken) => taken.delivery);
    const work = this.#manager.begin();
    try {
      await change(deliveries, work);
      await work.commit();
    } catch (error) {
      work.rollback();
      if (!isOutcomeUnknown(error)) for (const delivery of deliveries) delivery.release();
      throw error;
    }
    return { done: deliveries.length, locked: page.lockedCount, ...pageEnd(page, page.lookedAt, request.sequenceMax) };
  }

  async #describeQueue(status: QueueStatus): Promise<QueueDescription> {
    const oldestMs = status.messages === 0 ? undefined : await oldestSentMs(this.#manager, status.queue);
    const oldestAgeMs = oldestMs === undefined ? undefined : Math.max(0, this.#io.clock.wallNowMs() - oldestMs);
    const { queue, messages, bytes, inFlight, delayed, delayedBytes, journaled, expired, receivers, journal } = status;
    const { quotaMessages, quotaBytes } = status;
    return {
      queue,
      messages,
      bytes,
      inFlight,
      delayed,
      delayedBytes,
      journaled,
      expired,
      receivers,
      journal,
      quotaMessages,
      quotaBytes,
      oldestAgeMs,
    };
  }

  #rangeOf(request: ReadRequest, options: { readonly withBodies?: boolean; readonly countMax?: number }): BrowseRange {
    this.#checkQueue(request.queue);
    const countMax = Math.min(PAGE_MESSAGES_MAX, options.countMax ?? request.countMax ?? PAGE_MESSAGES_MAX);
    if (!(countMax >= 1)) throw new InvalidRequest(`a page of ${countMax} messages`);
    return {
      queue: request.queue,
      kind: request.kind ?? 'queue',
      countMax: Math.floor(countMax),
      withBodies: options.withBodies === true,
      ...(request.afterPosition !== undefined && { afterPosition: request.afterPosition }),
      ...(request.sequenceMax !== undefined && { sequenceMax: request.sequenceMax }),
    };
  }

  #checkQueue(queue: string): void {
    if (typeof queue !== 'string') throw new InvalidRequest('it names no queue');
    if (!this.#manager.hasQueue(queue)) throw new QueueNotFound(queue, this.#queueNames());
  }

  #queueNames(): string[] {
    return [...this.#manager.status(), ...this.#manager.outgoingStatus()].map((status) => status.queue);
  }
}

export interface LocalOptions {
  readonly isStopped?: boolean;
}

/** The machine that a request to ping names. */
export function readMachine(request: unknown): string {
  const machine = typeof request === 'object' && request !== null && 'machine' in request ? request.machine : undefined;
  if (typeof machine !== 'string') throw new InvalidRequest('it names no machine');
  parseAddress(`queue@${machine}`);
  return machine;
}
