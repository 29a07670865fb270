import type { QueueSettings } from '../queues/queue-status.ts';
import type { QueuePlaceKind } from '../store/store.ts';
import type { OperatorWish, TransactionPage, TransactionView, ViewRequest } from '../transactions/transaction-view.ts';
import type { IncomingStatus } from '../transfer/incoming-status.ts';
import type { OutgoingState, OutgoingStatus } from '../transfer/outgoing-status.ts';
import type { PingReport } from '../transfer/ping-report.ts';
import type { FailureGroup } from './failure-group.ts';
import type { MessageFilter } from './message-filter.ts';
import type { MessageDetails, MessageSummary } from './message-summary.ts';
import type { ReturnOperation } from './return-operation.ts';

/**
 * What an operator can see and do, as one API with two ways in: through the control socket of the process that runs the
 * queue manager (`control-client.ts`), and on the directory while none runs (`local-operations.ts`).
 *
 * Obligations
 * O1  Each call is one bounded page of work, about 20 ms of the queue manager's time at most; a longer verb loops and
 *     hands in the cursor of the page before. What arrived after an operation began is left out by `sequenceMax`.
 * O2  A page that changes something is one unit of work: all of it happened, or nothing.
 * O3  A page whose answer was lost may be asked for again with the same arguments: nothing happens twice.
 * O4  Arguments and results are plain data; errors are `PosthornError` with the same code on both ways.
 * O5  Messages that a receiver holds are never touched.
 */
export interface Operations {
  describeManager(): Promise<ManagerDescription>;
  /** All queues of this machine after `afterQueue` in the order of their names, at most 100. */
  describeQueues(request: { readonly afterQueue?: string | undefined }): Promise<QueuePage>;
  /** Messages seen without receiving them: `peek`, `errors list`, `dead-letter list`. */
  readMessages(request: ReadRequest): Promise<MessagePage>;
  /** One message with its body, found by its id or by the beginning of it. */
  findMessage(request: FindRequest): Promise<FoundPage>;
  /** Failed messages counted by their cause; the groups of all pages are to be added up by id. */
  groupFailures(request: ReadRequest): Promise<GroupPage>;
  /** Begins to return messages, or takes up the unfinished operation with the same wishes. */
  startReturn(request: StartReturnRequest): Promise<ReturnOperation>;
  /** One page of returns. After the last, `state` is `finished`. */
  continueReturn(request: { readonly id: string; readonly countMax: number }): Promise<ReturnOperation>;
  /** Ends an operation where it stands; what it returned stays returned. */
  cancelReturn(request: { readonly id: string }): Promise<ReturnOperation>;
  /** The operations known here, latest first; finished ones are kept up to a bound. */
  listReturns(): Promise<readonly ReturnOperation[]>;
  /** Removes messages for good. */
  purgePage(request: PurgeRequest): Promise<WorkedPage>;
  /** Puts messages into another queue of this machine, unchanged. */
  movePage(request: MoveRequest): Promise<WorkedPage>;
  /** Stores messages, all or none; resolves after the sync. */
  send(request: SendRequest): Promise<SendResult>;
  /** Who wants which event, at most 256 entries after `afterKey`. */
  readSubscriptions(request: { readonly afterKey?: string | undefined }): Promise<SubscriptionPage>;
  /** Makes a queue, or changes the settings that are given of one that is there; the others stay. */
  declareQueue(request: DeclareQueueRequest): Promise<DeclaredQueue>;
  /** The outgoing queues in the order of their names, also on a directory that nobody runs. */
  describeOutgoing(request: OutgoingRequest): Promise<OutgoingPage>;
  /** Listeners, inbound links and refused connections; empty on a directory that nobody runs. */
  describeIncoming(): Promise<IncomingDescription>;
  /** Nothing new of an outgoing queue is sent until it is released; durable. Twice is harmless. */
  holdOutgoing(request: OutgoingWish & { readonly by: string }): Promise<OutgoingDescription>;
  releaseOutgoing(request: OutgoingWish): Promise<OutgoingDescription>;
  /** Tries at once, with every backoff begun anew. */
  retryOutgoing(request: OutgoingWish): Promise<OutgoingDescription>;
  /** Looks at the way to a machine and, when it answers, has it look back; 20 s at most, most of them spent waiting. */
  ping(request: { readonly machine: string }): Promise<PingReport>;
  /** Transactions over databases that are not over, in the order of their ids, what was written down at the last end included. */
  listTransactions(request: TransactionsRequest): Promise<TransactionPage>;
  /** One of them with all that is known, by its id or the beginning of it. */
  showTransaction(request: { readonly id: string }): Promise<TransactionView>;
  /** Commits, aborts, forgets or tries again, and notes who and why. */
  actOnTransaction(wish: OperatorWish): Promise<TransactionActed>;
  /** What `doctor` looks at: the process, its disk and its clock. */
  describeHealth(): Promise<HealthDescription>;
}

/** The names above, for the two ends of the socket. */
export const OPERATION_NAMES = [
  'describeManager',
  'describeQueues',
  'readMessages',
  'findMessage',
  'groupFailures',
  'startReturn',
  'continueReturn',
  'cancelReturn',
  'listReturns',
  'purgePage',
  'movePage',
  'send',
  'readSubscriptions',
  'declareQueue',
  'describeOutgoing',
  'describeIncoming',
  'holdOutgoing',
  'releaseOutgoing',
  'retryOutgoing',
  'ping',
  'listTransactions',
  'showTransaction',
  'actOnTransaction',
  'describeHealth',
] as const satisfies readonly (keyof Operations)[];

export type OperationName = (typeof OPERATION_NAMES)[number];

export interface ManagerDescription {
  readonly machine: string;
  readonly directory: string;
  readonly storeId: string;
  /** Of the process that did this page. */
  readonly pid: number;
  readonly condition: 'ready' | 'full' | 'recovering' | 'failed';
  /** Arrivals from now on are above it: the `sequenceMax` of work that begins now. */
  readonly highestSequence: number;
  readonly queues: readonly string[];
}

export interface QueuePage {
  readonly queues: readonly QueueDescription[];
  readonly isLast: boolean;
}

export interface QueueDescription {
  readonly queue: string;
  readonly messages: number;
  readonly bytes: number;
  readonly inFlight: number;
  readonly delayed: number;
  readonly delayedBytes: number;
  readonly journaled: number;
  readonly expired: number;
  readonly receivers: number;
  readonly journal: boolean;
  readonly quotaMessages: number | undefined;
  readonly quotaBytes: number | undefined;
  /** Milliseconds since the oldest waiting message was sent; undefined when none waits. */
  readonly oldestAgeMs: number | undefined;
}

export interface ReadRequest {
  readonly queue: string;
  /** Default `queue`: the waiting ones. */
  readonly kind?: QueuePlaceKind | undefined;
  readonly filter?: MessageFilter | undefined;
  readonly afterPosition?: number | undefined;
  readonly sequenceMax?: number | undefined;
  /** Messages looked at, at most; never more than `PAGE_MESSAGES_MAX`. */
  readonly countMax?: number | undefined;
  /** Adds the beginning of each body to the result. */
  readonly withPreviews?: boolean | undefined;
}

/** Where a page ended. */
export interface PageEnd {
  readonly lookedAt: number;
  /** The `afterPosition` of the next page. */
  readonly lastPosition: number | undefined;
  readonly isLast: boolean;
}

export interface MessagePage extends PageEnd {
  readonly messages: readonly MessageSummary[];
}

export interface GroupPage extends PageEnd {
  readonly groups: readonly FailureGroup[];
}

export interface FindRequest {
  readonly queue: string;
  readonly kind?: QueuePlaceKind | undefined;
  /** The id, or at least its first `ID_PREFIX_LENGTH_MIN` characters. */
  readonly id: string;
  readonly afterPosition?: number | undefined;
}

export interface FoundPage extends PageEnd {
  /** The first in the page whose id fits. */
  readonly message: MessageDetails | undefined;
}

export interface StartReturnRequest {
  /** The queue that is emptied: an error queue or the dead-letter queue. */
  readonly errorQueue: string;
  /** `queue` or `queue@machine` instead of where each message failed. */
  readonly to?: string | undefined;
  readonly filter: MessageFilter;
}

export interface PurgeRequest {
  readonly queue: string;
  readonly kind?: QueuePlaceKind | undefined;
  readonly filter?: MessageFilter | undefined;
  readonly afterPosition?: number | undefined;
  readonly sequenceMax: number;
}

export interface MoveRequest extends PurgeRequest {
  readonly to: string;
}

export interface WorkedPage extends PageEnd {
  /** Removed or moved. */
  readonly done: number;
  /** Wanted, but held by a receiver. */
  readonly locked: number;
}

export interface SentAcknowledge {
  readonly queue: string;
  readonly reached?: boolean | undefined;
  readonly received?: boolean | undefined;
}

export interface SendRequest {
  readonly messages: readonly SentMessage[];
  /** Refuses a queue of this machine that does not exist, instead of making it. */
  readonly onlyExisting?: boolean | undefined;
  /**
   * Makes the request safe to repeat: the sender's name for this send, never used for another. With `isRepeat` the
   * queue manager looks whether it took the send before. Names in `settled` are forgotten: their answers arrived.
   */
  readonly sendId?: string | undefined;
  readonly isRepeat?: boolean | undefined;
  readonly settled?: readonly string[] | undefined;
}

export interface SentMessage {
  /** `queue` or `queue@machine`. */
  readonly destination: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly priority?: number | undefined;
  readonly delayMs?: number | undefined;
  readonly timeToBeReceivedMs?: number | undefined;
  readonly timeToReachQueueMs?: number | undefined;
  /** As `OutgoingMessage.acknowledge`, its queue as `queue@machine`. */
  readonly acknowledge?: SentAcknowledge | undefined;
  readonly deadLetter?: boolean | undefined;
}

export interface SendResult {
  /** True when a repeat found that the send had been taken before. */
  readonly wasKnown: boolean;
}

export interface SubscriptionPage {
  readonly subscriptions: readonly { readonly key: string; readonly value: string }[];
  readonly isLast: boolean;
}

export interface DeclareQueueRequest {
  readonly queue: string;
  /** Those that are given change; `null` takes a limit away. */
  readonly settings: { readonly [Name in keyof QueueSettings]?: QueueSettings[Name] | null | undefined };
}

export interface DeclaredQueue {
  readonly queue: string;
  readonly wasThere: boolean;
  /** As they are now. */
  readonly settings: QueueSettings;
}

export interface OutgoingWish {
  /** `queue@machine`. */
  readonly queue: string;
}

export interface OutgoingRequest {
  readonly afterQueue?: string | undefined;
  /** Only this one, with its last attempts; the list of many comes without. */
  readonly queue?: string | undefined;
  /** Only those to this machine. */
  readonly machine?: string | undefined;
}

export interface OutgoingPage {
  readonly outgoing: readonly OutgoingDescription[];
  readonly isLast: boolean;
}

export interface OutgoingDescription extends Omit<OutgoingStatus, 'state'> {
  /** `NOT_RUNNING`: no queue manager runs on the directory, so nothing moves. */
  readonly state: OutgoingState | 'NOT_RUNNING';
  /** What stands in the way, in a word or two; undefined when nothing does. */
  readonly why: string | undefined;
  /** What to do about it. */
  readonly mend: string | undefined;
}

export interface IncomingDescription extends IncomingStatus {
  readonly isRunning: boolean;
}

export type TransactionsRequest = ViewRequest;

export interface TransactionActed {
  /** As it is now; undefined when nothing is left of it. */
  readonly transaction: TransactionView | undefined;
  /** The same wish was carried out before, and its answer was lost. */
  readonly wasDoneBefore: boolean;
}

export interface HealthDescription {
  /** Of the process that did this page. */
  readonly nodeVersion: string;
  readonly version: string;
  /** On the disk of the directory. */
  readonly freeBytes: number;
  readonly diskBytes: number;
  /**
   * By how much the wall clock is ahead of the time that deadlines count by: what it jumped since the directory was made, or what
   * the machine slept. Negative: it was set back.
   */
  readonly clockAheadMs: number;
  /** Why no queue manager could exchange messages with these settings; not looked at while one runs. */
  readonly network: { readonly what: string; readonly mend: string } | undefined;
}
