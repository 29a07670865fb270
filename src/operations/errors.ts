import { nearestName, PosthornError } from '../message/posthorn-error.ts';

/** A filter of an operator's verb cannot be used. Nothing was done. */
export class InvalidFilter extends PosthornError {
  readonly code = 'INVALID_FILTER';

  constructor(part: string, why: string) {
    super(`Filter '${part}' ${why}.`, 'Correct it; run the verb with --help for the filters there are.');
  }
}

/** There is no queue manager in that directory. Nothing was made. */
export class NoQueueManager extends PosthornError {
  readonly code = 'NO_QUEUE_MANAGER';

  constructor(directory: string, why: string) {
    super(
      `There is no queue manager in '${directory}': ${why}.`,
      'Name its data directory with --directory, or set POSTHORN_DIRECTORY; an endpoint or a host makes one when it starts.',
    );
  }
}

/** The process that owns the directory does not answer on its control socket. */
export class OwnerUnreachable extends PosthornError {
  readonly code = 'OWNER_UNREACHABLE';

  constructor(directory: string, owner: string, why: string, options?: ErrorOptions) {
    super(
      `'${directory}' is owned by ${owner}, which cannot be asked: ${why}.`,
      'Run this on the same machine and as the same user as the owner, or stop the owner.',
      options,
    );
  }
}

/** The connection to the process that owns the directory was lost before anything was asked, or nobody answered in time. */
export class ControlConnectionLost extends PosthornError {
  readonly code = 'CONTROL_CONNECTION_LOST';

  constructor(socketPath: string, why: string, options?: ErrorOptions) {
    super(
      `The control socket '${socketPath}' gave no answer: ${why}.`,
      'See whether the host still runs, then run this again.',
      options,
    );
  }
}

/** Bytes on the control socket are not the protocol. That connection was closed. */
export class MalformedFrame extends PosthornError {
  readonly code = 'MALFORMED_FRAME';

  constructor(why: string) {
    super(`A frame on the control socket was refused: ${why}.`, 'Use the same version of Posthorn on both ends.');
  }
}

/** A request on the control socket asks for something that does not exist. Nothing was done. */
export class UnknownOperation extends PosthornError {
  readonly code = 'UNKNOWN_OPERATION';

  constructor(name: string) {
    super(
      `The queue manager knows no operation '${name.slice(0, 80)}'.`,
      'Use the same version of Posthorn on both ends.',
    );
  }
}

/** A request on the control socket has arguments of the wrong kind. Nothing was done. */
export class InvalidRequest extends PosthornError {
  readonly code = 'INVALID_REQUEST';

  constructor(what: string) {
    super(`A request to the queue manager was refused: ${what}.`, 'Use the same version of Posthorn on both ends.');
  }
}

/**
 * An error that an operation met in the process of the queue manager: with the code and the text that it had there, or
 * with this code when it had none.
 */
export class RemoteError extends PosthornError {
  readonly code: string = 'OPERATION_FAILED';

  constructor(error: WireError) {
    super(error.what, error.mend);
    if (error.code !== undefined) this.code = error.code;
    this.name = error.name;
  }
}

/** An error as it crosses the control socket. */
export interface WireError {
  /** Undefined for what is no `PosthornError`. */
  readonly code: string | undefined;
  readonly name: string;
  /** The text without the mend. */
  readonly what: string;
  readonly mend: string;
}

/** No return operation has that id. */
export class ReturnOperationNotFound extends PosthornError {
  readonly code = 'RETURN_OPERATION_NOT_FOUND';

  constructor(id: string) {
    super(
      `There is no return operation '${id.slice(0, 80)}'.`,
      "Run 'posthorn return-to-source --list' for those there are.",
    );
  }
}

/** The control socket of this directory cannot be made. The queue manager runs, but no operator's verb reaches it. */
export class ControlSocketFailed extends PosthornError {
  readonly code = 'CONTROL_SOCKET_FAILED';

  constructor(path: string, cause: unknown) {
    super(
      `The control socket '${path}' could not be made: ${cause instanceof Error ? cause.message : String(cause)}.`,
      'Make its directory writable for this user, or set XDG_RUNTIME_DIR to one that is.',
      { cause },
    );
  }
}

/** There is no outgoing queue of that name. Nothing was done. */
export class OutgoingQueueNotFound extends PosthornError {
  readonly code = 'OUTGOING_QUEUE_NOT_FOUND';

  constructor(queue: string, known: readonly string[]) {
    const nearest = nearestName(queue, known);
    super(
      `There is no outgoing queue '${queue.slice(0, 200)}' here.`,
      nearest === undefined
        ? "Run 'posthorn outgoing' for those there are; the first message to a machine makes one."
        : `Did you mean '${nearest}'?`,
    );
  }
}

/** A verb, or a send of another process, needs a queue manager that runs, and none does. Nothing was done. */
export class QueueManagerNotRunning extends PosthornError {
  readonly code = 'QUEUE_MANAGER_NOT_RUNNING';

  constructor(directory: string, what: string) {
    super(`No queue manager runs on '${directory}': ${what}.`, "Start it, with 'posthorn host' or your own program.");
  }
}
