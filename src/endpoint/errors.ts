import { PosthornError } from '../message/posthorn-error.ts';

/** Something was asked of an endpoint that is not running. Nothing was sent. */
export class EndpointNotRunning extends PosthornError {
  readonly code = 'ENDPOINT_NOT_RUNNING';

  constructor(endpoint: string, state: string) {
    super(
      `Endpoint '${endpoint}' is not running (${state}), so nothing was sent.`,
      'Await start() before, and stop() only after the last send.',
    );
  }
}

/** An endpoint that was stopped is not started again. */
export class EndpointStopped extends PosthornError {
  readonly code = 'ENDPOINT_STOPPED';

  constructor(endpoint: string) {
    super(`Endpoint '${endpoint}' was stopped and cannot be started again.`, 'Make a new Endpoint.');
  }
}

/** Handlers and behaviors were added to an endpoint that has already started; it goes on as it was. */
export class EndpointAlreadyStarted extends PosthornError {
  readonly code = 'ENDPOINT_ALREADY_STARTED';

  constructor(endpoint: string, verb: string) {
    super(`${verb} was called on endpoint '${endpoint}' after start().`, `Call ${verb} before start().`);
  }
}

/** A send-only endpoint was asked to receive. */
export class EndpointSendOnly extends PosthornError {
  readonly code = 'ENDPOINT_SEND_ONLY';

  constructor(endpoint: string, verb: string) {
    super(
      `Endpoint '${endpoint}' is send-only and has no queue, so ${verb} is not possible.`,
      "Leave out the option 'sendOnly'.",
    );
  }
}

/** A transaction was asked of an endpoint that sends through another process. Nothing was done. */
export class TransactionNeedsQueueManager extends PosthornError {
  readonly code = 'TRANSACTION_NEEDS_QUEUE_MANAGER';

  constructor(endpoint: string) {
    super(
      `Endpoint '${endpoint}' sends through the process that owns its directory, and a transaction needs the queue manager in its own.`,
      "Give it a directory of its own and send to 'queue@machine'; or let an endpoint in the owner's process do the work.",
    );
  }
}
