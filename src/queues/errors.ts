import { nearestName, PosthornError } from '../message/posthorn-error.ts';

/** A queue's quota is used up. The message was not stored. */
export class QueueFull extends PosthornError {
  readonly code = 'QUEUE_FULL';

  constructor(queue: string, used: number, quota: number, what: 'messages' | 'bytes') {
    super(
      `Queue '${queue}' is full (${used} of ${quota} ${what}): the message was not stored.`,
      `Start a receiver, run 'posthorn purge ${queue}', or raise the queue's quota.`,
    );
  }
}

/** An operator's verb or a receiver named a queue that does not exist. */
export class QueueNotFound extends PosthornError {
  readonly code = 'QUEUE_NOT_FOUND';

  constructor(queue: string, known: readonly string[]) {
    const nearest = nearestName(queue, known);
    super(
      `There is no queue '${queue}' here.`,
      nearest === undefined ? "Run 'posthorn queues' for the list." : `Did you mean '${nearest}'?`,
    );
  }
}

/** A receiver was asked for on an outgoing queue. Nothing was opened. */
export class QueueOnOtherMachine extends PosthornError {
  readonly code = 'QUEUE_ON_OTHER_MACHINE';

  constructor(queue: string, machine: string) {
    super(
      `'${queue}' is a queue of another machine; here ('${machine}') lies only what is on its way there, and nobody receives from that.`,
      "Run the receiver on that machine, or name a queue of this one without '@'.",
    );
  }
}

/** The store can number no more queues. */
export class TooManyQueues extends PosthornError {
  readonly code = 'TOO_MANY_QUEUES';

  constructor(queue: string, placeCountMax: number) {
    super(
      `Queue '${queue}' cannot be made: ${placeCountMax} places (queues, delayed and journal parts) are in use.`,
      'Use fewer queues, or a second queue manager with a directory of its own.',
    );
  }
}

/** What is stored of a transaction over databases cannot be read. It was left as it is; what it received is not locked. */
export class TransactionRecordUnreadable extends PosthornError {
  readonly code = 'TRANSACTION_RECORD_UNREADABLE';

  constructor(id: string) {
    super(
      `The stored record of transaction ${id} cannot be read, so the message that it received may be handled again, and what it sent stays held.`,
      'Look in its databases whether it committed, and set the queues right by hand; check the disk. If a newer Posthorn ran here, start that one.',
    );
  }
}

/** A transaction over databases names a message that is not in the store. The rest of it is finished without that. */
export class TransactionPartMissing extends PosthornError {
  readonly code = 'TRANSACTION_PART_MISSING';

  constructor(id: string, what: string) {
    super(
      `Transaction ${id} names a message that is not in the store: ${what}. The rest of it is finished without it.`,
      'The store was damaged or changed by hand: check the disk, and compare with the databases of that transaction.',
    );
  }
}

/** Messages are held for transactions that the store does not know. They were left where they are. */
export class HeldSendsWithoutRecord extends PosthornError {
  readonly code = 'HELD_SENDS_WITHOUT_RECORD';

  constructor(count: number) {
    super(
      `The store holds ${count} messages of transactions of which it has no record that can be read; they stay held.`,
      'The store was damaged or changed by hand: check the disk; a backup may have the records.',
    );
  }
}

/** The queue manager was closed, or is closing; what was asked for was not done. */
export class QueueManagerClosed extends PosthornError {
  readonly code = 'QUEUE_MANAGER_CLOSED';

  constructor(directory: string) {
    super(`The queue manager of '${directory}' is closed.`, 'Open it again, and stop endpoints before closing it.');
  }
}
