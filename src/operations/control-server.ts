import { dirname, join } from 'node:path';
import { belongsToAnother, makePrivateDirectory, removeFile, runtimeDirectory } from '../io/files.ts';
import type { Io } from '../io/io.ts';
import { type LocalListener, type LocalSocket, listenLocally } from '../io/local-socket.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import type { TransferOperations } from '../transfer/transfer-operations.ts';
import { type ControlAnswer, encodeError, readRequest } from './control-protocol.ts';
import { ControlSocketFailed, InvalidRequest, MalformedFrame, UnknownOperation } from './errors.ts';
import { encodeFrame, FrameDecoder } from './frame.ts';
import {
  CONNECTION_ANSWER_BYTES_MAX,
  CONNECTION_REQUESTS_MAX,
  CONTROL_CONNECTIONS_MAX,
  FRAME_BYTES_MAX,
} from './limits.ts';
import { LocalOperations } from './local-operations.ts';
import { OPERATION_NAMES, type Operations } from './operations.ts';

/**
 * Answers operators' verbs and other processes' sends while a queue manager runs.
 *
 * Started only by the owner of the directory, so a socket file that is already there is a dead owner's and is removed.
 * Its directory is our user's own and lets nobody else in, also where a group may write to the data directory: that gives the
 * group the files of the store, but no queue manager that does its bidding. What arrives is bounded in bytes and in requests at a time; input that is
 * not the protocol ends that connection and nothing else.
 */
export class ControlServer {
  readonly #listener: LocalListener;
  readonly #operations: LocalOperations;
  readonly #connections = new Set<ControlConnection>();

  private constructor(listener: LocalListener, operations: LocalOperations) {
    this.#listener = listener;
    this.#operations = operations;
  }

  /**
   * Listens at `socketPath` for the queue manager.
   *
   * @throws {ControlSocketFailed} when the socket cannot be made
   */
  static async start(
    manager: QueueManager,
    io: Io,
    socketPath: string,
    transfer?: TransferOperations,
  ): Promise<ControlServer> {
    const early: LocalSocket[] = [];
    let accept = (socket: LocalSocket): void => void early.push(socket);
    const listener = await openListener(socketPath, (socket) => accept(socket));
    const server = new ControlServer(listener, new LocalOperations(manager, io, transfer));
    accept = (socket) => server.#accept(socket);
    early.forEach(accept);
    return server;
  }

  /** Cuts all connections and removes the socket. Twice is harmless. */
  async stop(): Promise<void> {
    await this.#listener.close();
  }

  /** Forgets the names of sends whose senders never came back. */
  forgetOldSends(): Promise<void> {
    return this.#operations.forgetOldSends();
  }

  #accept(socket: LocalSocket): void {
    if (this.#connections.size >= CONTROL_CONNECTIONS_MAX) {
      socket.destroy();
      return;
    }
    const connection = new ControlConnection(socket, this.#operations, (sender) =>
      this.#giveUpOlder(sender, connection),
    );
    this.#connections.add(connection);
    connection.serve(() => this.#connections.delete(connection));
  }

  #giveUpOlder(sender: string, newest: ControlConnection): void {
    for (const connection of this.#connections) {
      if (connection !== newest && connection.sender === sender) connection.giveUp();
    }
  }
}

/** One connection: what it asked for and what it still has to be told. */
class ControlConnection {
  sender: string | undefined;
  readonly #socket: LocalSocket;
  readonly #operations: Operations;
  readonly #attached: (sender: string) => void;
  readonly #decoder = new FrameDecoder();
  #requestsRunning = 0;
  #isGivenUp = false;

  constructor(socket: LocalSocket, operations: Operations, attached: (sender: string) => void) {
    this.#socket = socket;
    this.#operations = operations;
    this.#attached = attached;
  }

  serve(closed: () => void): void {
    this.#socket.listen({
      onBytes: (bytes) => this.#read(bytes),
      onDrained: () => this.#readOnlyAsFastAsAnswered(),
      onClosed: () => {
        this.#isGivenUp = true;
        closed();
      },
    });
  }

  /** Nothing that still arrives on it is begun. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#socket.destroy();
  }

  #read(bytes: Uint8Array): void {
    if (this.#isGivenUp) return;
    try {
      for (const value of this.#decoder.push(bytes)) this.#begin(value);
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      this.giveUp();
    }
    this.#readOnlyAsFastAsAnswered();
  }

  #begin(value: unknown): void {
    const asked = readRequest(value);
    if (asked === undefined) throw new MalformedFrame('it is not a request');
    this.#requestsRunning++;
    this.#perform(asked.operation, asked.request)
      .then(
        (result): ControlAnswer => ({ id: asked.id, result }),
        (error: unknown): ControlAnswer => ({ id: asked.id, error: encodeError(asked.operation, error) }),
      )
      .then((answer) => this.#answer(answer, asked.operation));
  }

  async #perform(operation: string, request: unknown): Promise<unknown> {
    if (operation === 'attach') return this.#attach(request);
    const name = OPERATION_NAMES.find((known) => known === operation);
    if (name === undefined) throw new UnknownOperation(operation);
    if (request !== undefined && (typeof request !== 'object' || request === null))
      throw new InvalidRequest('its arguments are not an object');
    // The names are those of `Operations`, and each checks what it is given.
    const perform = this.#operations[name] as (request: unknown) => Promise<unknown>;
    return await perform.call(this.#operations, request ?? {});
  }

  #attach(request: unknown): void {
    const sender = typeof request === 'object' && request !== null && 'sender' in request ? request.sender : undefined;
    if (typeof sender !== 'string' || sender === '' || sender.length > SENDER_LENGTH_MAX)
      throw new InvalidRequest('a sender has no name');
    this.sender = sender;
    this.#attached(sender);
  }

  #answer(answer: ControlAnswer, operation: string): void {
    this.#requestsRunning--;
    if (!this.#isGivenUp) {
      const frame = encodeFrame(answer);
      const isTooLarge = frame.byteLength > FRAME_BYTES_MAX;
      const tooLarge = new InvalidRequest(
        `the answer has ${frame.byteLength} bytes, at most ${FRAME_BYTES_MAX} are allowed`,
      );
      this.#socket.write(isTooLarge ? encodeFrame({ id: answer.id, error: encodeError(operation, tooLarge) }) : frame);
    }
    this.#readOnlyAsFastAsAnswered();
  }

  #readOnlyAsFastAsAnswered(): void {
    if (this.#isGivenUp) return;
    const isBusy =
      this.#requestsRunning >= CONNECTION_REQUESTS_MAX || this.#socket.waitingBytes > CONNECTION_ANSWER_BYTES_MAX;
    if (isBusy) this.#socket.pause();
    else this.#socket.resume();
  }
}

/**
 * Where the control socket of a data directory lies: inside it, or in the user's runtime directory under the name of the
 * process, where that path is too long for a socket or another user has made something there. The owner record tells others.
 */
export function controlSocketPath(
  directory: string,
  environment: Readonly<Record<string, string | undefined>>,
): string {
  const inside = join(directory, 'control', 'control.sock');
  if (Buffer.byteLength(inside) <= SOCKET_PATH_BYTES_MAX && !belongsToAnother(dirname(inside))) return inside;
  return join(runtimeDirectory(environment), `control-${process.pid}-${++socketsInRuntimeDirectory}.sock`);
}

/** The system's structure holds 108 bytes on Linux and 104 on macOS, with the closing zero. */
const SOCKET_PATH_BYTES_MAX = 100;
const SENDER_LENGTH_MAX = 100;
let socketsInRuntimeDirectory = 0;

async function openListener(socketPath: string, accept: (socket: LocalSocket) => void): Promise<LocalListener> {
  const directory = dirname(socketPath);
  if (belongsToAnother(directory)) throw new ControlSocketFailed(socketPath, `'${directory}' belongs to another user`);
  try {
    makePrivateDirectory(directory);
    removeFile(socketPath);
    return await listenLocally(socketPath, accept);
  } catch (error) {
    throw new ControlSocketFailed(socketPath, error);
  }
}
