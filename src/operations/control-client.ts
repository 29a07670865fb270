import { connectLocally, type LocalSocket } from '../io/local-socket.ts';
import { type ControlAnswer, readAnswer } from './control-protocol.ts';
import { ControlConnectionLost, MalformedFrame, RemoteError } from './errors.ts';
import { encodeFrame, FrameDecoder } from './frame.ts';
import { OPERATION_NAMES, type OperationName, type Operations } from './operations.ts';

/** One connection to the control socket of a queue manager in another process. */
export class ControlClient {
  readonly socketPath: string;
  readonly #socket: LocalSocket;
  readonly #decoder = new FrameDecoder();
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #closed = Promise.withResolvers<void>();
  #nextId = 1;
  #isClosed = false;

  private constructor(socketPath: string, socket: LocalSocket) {
    this.socketPath = socketPath;
    this.#socket = socket;
  }

  /** @throws the system's error; `isNobodyThere` tells when that says that nobody listens */
  static async connect(socketPath: string): Promise<ControlClient> {
    const client = new ControlClient(socketPath, await connectLocally(socketPath));
    client.#socket.keepProcessAlive(false);
    client.#socket.listen({
      onBytes: (bytes) => client.#read(bytes),
      onClosed: () => client.#lost('the connection was closed'),
    });
    return client;
  }

  /** Settles when the connection has ended, whoever ended it. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Asks for one page of an operation.
   *
   * @throws {RemoteError} what the queue manager answered
   * @throws {ControlConnectionLost} no answer came; whether it was done is not known
   */
  async ask(operation: OperationName | 'attach', request: unknown): Promise<unknown> {
    if (this.#isClosed) throw new ControlConnectionLost(this.socketPath, 'the connection is closed');
    const id = this.#nextId++;
    this.#socket.keepProcessAlive(true);
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#socket.write(encodeFrame({ id, operation, request }));
    return await answer;
  }

  /** Ends the connection; what is still waited for is rejected. */
  close(): void {
    this.#socket.destroy();
    this.#lost('the connection was closed');
  }

  #read(bytes: Uint8Array): void {
    try {
      for (const value of this.#decoder.push(bytes)) {
        const answer = readAnswer(value);
        if (answer === undefined) throw new MalformedFrame('it is not an answer');
        this.#settle(answer);
      }
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      this.#socket.destroy();
      this.#lost(error.message);
    }
  }

  #settle(answer: ControlAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#socket.keepProcessAlive(false);
    if ('error' in answer) waiting?.reject(new RemoteError(answer.error));
    else waiting?.resolve(answer.result);
  }

  #lost(why: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { reject } of this.#waiting.values()) reject(new ControlConnectionLost(this.socketPath, why));
    this.#waiting.clear();
    this.#closed.resolve();
  }
}

/** The operations, each asked for with `ask`. */
export function operationsAskedWith(ask: (operation: OperationName, request: unknown) => Promise<unknown>): Operations {
  const operations = Object.fromEntries(
    OPERATION_NAMES.map((name) => [name, (request: unknown) => ask(name, request)]),
  );
  // Both ends are made from `OPERATION_NAMES`, and the results are plain data of this package's own making.
  return operations as unknown as Operations;
}
