import type { Io } from '../io/io.ts';
import type { Logger } from '../io/logger.ts';
import type { Contract } from '../message/contract.ts';
import type { TransactionMode } from '../pipeline/message-transaction.ts';
import type { Serializer } from '../pipeline/serializer.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import type { CriticalError } from '../recoverability/notifications.ts';
import type { RecoverabilityOptions } from '../recoverability/recoverability-config.ts';
import type { Publisher } from '../routing/publisher.ts';
import type { Route } from '../routing/route.ts';
import type { ProtocolChoice, SendsVisible } from '../transactions/distributed-transaction.ts';
import type { Resource } from '../transactions/resource.ts';
import type { IsolationLevel } from '../transactions/resource-manager.ts';

/** How an endpoint works. Everything has a default: `new Endpoint('hello')` alone works. */
export interface EndpointOptions<Resources extends Resource = never> {
  /** Default: an embedded one in `directory`, shared by all endpoints of this process with the same directory. */
  readonly queueManager?: QueueManager;
  /** Where the embedded queue manager lies. Default: `$POSTHORN_DIRECTORY`, else `./.posthorn`. */
  readonly directory?: string;
  /** `client`: mode `none`, purges its queue at start, no retries (NServiceBus' AsA_Client). Default `server`. */
  readonly role?: 'server' | 'client';
  /** No queue and no handlers; when another process owns the directory, sends go through its control socket. */
  readonly sendOnly?: boolean;
  /**
   * Handlers at a time, at most; as many transactions of the program may run beside them, and each database has a connection
   * for every one. Default: the number of cores, at least 2.
   */
  readonly concurrency?: number;
  readonly transactions?: TransactionOptions;
  /**
   * Databases that take part in the transactions of its messages, made by `postgresResource` or `mysqlResource`. They make
   * `distributed` the mode; another one is refused with them.
   */
  readonly resources?: readonly Resources[];
  readonly recoverability?: RecoverabilityOptions;
  readonly routes?: readonly Route[];
  /**
   * Who publishes, on other machines, the events that are handled here: `[publisher(OrderPlaced, 'sales@alpha')]`. The
   * endpoint asks them for these events at every start. Events of this machine come without it.
   */
  readonly publishers?: readonly Publisher[];
  /** Types to know without a handler or route: a message of one goes to the error queue as NoHandler, not UnknownMessageType. */
  readonly contracts?: readonly Contract[];
  /** By content type; the first one writes. Default: JSON, which is always there to read. */
  readonly serializers?: readonly Serializer[];
  /** Copies of all messages that were handled go there. Default: none. */
  readonly audit?: AuditOptions;
  /** Removes everything that waits in the endpoint's queue before the first message is handled. Default: false, role client: true. */
  readonly purgeOnStart?: boolean;
  /** Subscribes at start to every event that has a handler, here and at its `publishers`. Default true. */
  readonly autoSubscribe?: boolean;
  /** Default: warnings and errors, one readable line each, on standard error. */
  readonly logger?: Logger;
  /** Called when something outside the handlers has failed for 30 seconds. Default: it is logged, and tried on. */
  readonly onCriticalError?: (critical: CriticalError) => void | Promise<void>;
  /** Doors to time and chance, for tests. */
  readonly io?: Io;
}

export interface TransactionOptions {
  /** Default `sendsAtomicWithReceive`, with `resources` `distributed`; see `TransactionMode`. */
  readonly mode?: TransactionMode;
  /** A handler that runs longer is rolled back, and its message counts as failed. Default 600,000. */
  readonly timeoutMs?: number;
  /** Of database transactions. Default `read committed`. */
  readonly isolationLevel?: IsolationLevel;
  /** How databases and queues are brought to one outcome. Default `auto`: a marker row for one database, two-phase commit for several. */
  readonly protocol?: ProtocolChoice;
  /**
   * When what was sent can be received: after every database has committed (default), or as soon as that is decided, when a
   * fast receiver may look into a database a moment too early.
   */
  readonly sendsVisible?: SendsVisible;
}

export interface AuditOptions {
  /** `queue` or `queue@machine`. */
  readonly queue: string;
}

export interface StopOptions {
  /** Running handlers are waited for this long, then aborted; their messages are available at once. Default 30,000. */
  readonly timeoutMs?: number;
}

export const TRANSACTION_TIMEOUT_MS = 600_000;
export const STOP_TIMEOUT_MS = 30_000;
