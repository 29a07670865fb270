/** What an operator sees of one queue. Counts are live; ages come from the store. */
export interface QueueStatus {
  readonly queue: string;
  /** Ready or locked, not counting delayed ones. */
  readonly messages: number;
  /** Headers and bodies of those, in bytes. */
  readonly bytes: number;
  /** Of `messages`, those that a receiver holds now. */
  readonly inFlight: number;
  readonly delayed: number;
  readonly delayedBytes: number;
  /** Copies in the journal queue. */
  readonly journaled: number;
  readonly quotaMessages: number | undefined;
  readonly quotaBytes: number | undefined;
  readonly journal: boolean;
  /** As in `QueueSettings`. */
  readonly acceptFrom: readonly string[] | undefined;
  /** Messages dropped because their time-to-be-received ran out and nobody asked for dead-lettering; durable. */
  readonly expired: number;
  /** Number of open receivers. */
  readonly receivers: number;
}

/** An outgoing queue: what waits here for a queue of another machine. */
export interface OutgoingQueueStatus extends QueueStatus {
  /** Lower case. */
  readonly machine: string;
  /** Of `messages`, those that may have left, also in a process before this one: whether they arrived is not known yet. */
  readonly outcomeUnknown: number;
}

/** Settings of a queue, durable; a queue made on first use has none set. */
export interface QueueSettings {
  /** More are refused with QUEUE_FULL; undefined means no limit. Counts delayed messages too. */
  readonly quotaMessages?: number;
  readonly quotaBytes?: number;
  /** Keep a copy of every message received and committed in `QUEUE;journal`; of an outgoing queue, of every one that arrived. */
  readonly journal?: boolean;
  /** Other machines that may send here, by name; undefined: all. This machine always may. */
  readonly acceptFrom?: readonly string[];
}
