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

/** The transaction mode `distributed` does not exist in this version. Nothing was started. */
export class DistributedNotAvailable extends PosthornError {
  readonly code = 'DISTRIBUTED_NOT_AVAILABLE';

  constructor() {
    super(
      "The transaction mode 'distributed' is not available in this version.",
      "Use 'sendsAtomicWithReceive', and make what handlers do in databases idempotent by context.messageId.",
    );
  }
}
