import { failpoint } from '../io/failpoint.ts';
import type { Io } from '../io/io.ts';
import { parseAddress } from '../message/address.ts';
import { checkHeaders } from '../message/check-headers.ts';
import { headersOf } from '../message/headers.ts';
import { QueueNotFound } from '../queues/errors.ts';
import type { QueueManager } from '../queues/queue-manager.ts';
import type { AcknowledgementRequest, OutgoingMessage } from '../transport/transport.ts';
import { InvalidRequest } from './errors.ts';
import { SEND_ID_RETENTION_MS } from './limits.ts';
import type { SendRequest, SendResult, SentAcknowledge, SentMessage } from './operations.ts';

/**
 * Stores messages for senders in other processes, so that a send whose answer was lost may be repeated.
 *
 * The name of a send is written as state `sent/NAME` in the unit of work that stores its messages, and removed in the
 * unit of a later send that tells of having got the answer. A repeat finds it there, or finds the first one still on its
 * way. The sender promises that nothing of a send is on its way any more when it repeats it: the control server gives up
 * a sender's older connection before it takes a newer one.
 */
export class SendMessages {
  readonly #manager: QueueManager;
  readonly #io: Io;
  readonly #running = new Map<string, Promise<SendResult>>();

  constructor(manager: QueueManager, io: Io) {
    this.#manager = manager;
    this.#io = io;
  }

  /** @throws {PosthornError} like `Dispatcher.dispatch` */
  async send(request: SendRequest): Promise<SendResult> {
    const messages = readMessages(request.messages);
    if (request.onlyExisting === true) this.#checkQueues(messages);
    const sendId = request.sendId;
    if (sendId === undefined) {
      if (messages.length === 0) return await this.#settle(request.settled ?? []);
      await this.#manager.admission();
      await this.#manager.send(messages);
      return { wasKnown: false };
    }
    checkSendIds([sendId, ...(request.settled ?? [])]);
    const running = this.#running.get(sendId);
    if (running !== undefined) return await running;
    const sending = this.#sendOnce(sendId, request, messages);
    this.#running.set(sendId, sending);
    try {
      return await sending;
    } finally {
      this.#running.delete(sendId);
    }
  }

  /** Forgets names whose senders never came back. */
  async forgetOld(): Promise<void> {
    const before = this.#io.clock.wallNowMs() - SEND_ID_RETENTION_MS;
    let afterKey: string | undefined;
    for (;;) {
      const page = await this.#manager.readState({
        prefix: SENT_PREFIX,
        countMax: 256,
        ...(afterKey !== undefined && { afterKey }),
      });
      const old = page.entries.filter((entry) => !(Number(entry.value) >= before));
      if (old.length > 0) {
        const work = this.#manager.begin();
        for (const entry of old) this.#manager.setState(work, entry.key, undefined);
        await work.commit();
      }
      afterKey = page.entries.at(-1)?.key;
      if (page.isLast || afterKey === undefined) return;
    }
  }

  async #sendOnce(sendId: string, request: SendRequest, messages: readonly OutgoingMessage[]): Promise<SendResult> {
    if (request.isRepeat === true && (await this.#isKnown(sendId))) return { wasKnown: true };
    await this.#manager.admission();
    const work = this.#manager.begin();
    try {
      await this.#manager.send(messages, work);
      for (const settled of request.settled ?? []) this.#manager.setState(work, sentKey(settled), undefined);
      this.#manager.setState(work, sentKey(sendId), String(this.#io.clock.wallNowMs()));
      await work.commit();
      failpoint('control.sent-before-answer');
    } catch (error) {
      work.rollback();
      throw error;
    }
    return { wasKnown: false };
  }

  /** A sender leaves and tells which of its sends may be forgotten. */
  async #settle(sendIds: readonly string[]): Promise<SendResult> {
    checkSendIds(sendIds);
    const work = this.#manager.begin();
    for (const sendId of sendIds) this.#manager.setState(work, sentKey(sendId), undefined);
    await work.commit();
    return { wasKnown: false };
  }

  #checkQueues(messages: readonly OutgoingMessage[]): void {
    for (const { destination } of messages) {
      if (!this.#manager.isHere(destination.machine) || this.#manager.hasQueue(destination.queue)) continue;
      throw new QueueNotFound(
        destination.queue,
        this.#manager.status().map((status) => status.queue),
      );
    }
  }

  async #isKnown(sendId: string): Promise<boolean> {
    const page = await this.#manager.readState({ prefix: sentKey(sendId), countMax: 1 });
    return page.entries[0]?.key === sentKey(sendId);
  }
}

const SENT_PREFIX = 'sent/';
const SEND_ID = /^[A-Za-z0-9-]{1,100}$/;

function sentKey(sendId: string): string {
  return `${SENT_PREFIX}${sendId}`;
}

function checkSendIds(ids: readonly unknown[]): void {
  for (const id of ids) {
    if (typeof id !== 'string' || !SEND_ID.test(id))
      throw new InvalidRequest('the name of a send has letters, digits and hyphens only');
  }
}

/** Checks messages that came from another process; sizes and queues are checked by the queue manager. */
function readMessages(messages: readonly SentMessage[]): readonly OutgoingMessage[] {
  if (!Array.isArray(messages)) throw new InvalidRequest('a send has no messages');
  return messages.map(readMessage);
}

function readMessage(message: SentMessage): OutgoingMessage {
  if (typeof message !== 'object' || message === null) throw new InvalidRequest('a message is not an object');
  const { destination, headers, body, priority, delayMs, timeToBeReceivedMs, timeToReachQueueMs, deadLetter } = message;
  if (typeof destination !== 'string') throw new InvalidRequest('a message has no destination');
  if (typeof headers !== 'object' || headers === null) throw new InvalidRequest('a message has no headers');
  if (!(body instanceof Uint8Array)) throw new InvalidRequest('the body of a message is not bytes');
  checkHeaders(headers);
  checkNumber('priority', priority, 7);
  checkNumber('delayMs', delayMs, Number.MAX_SAFE_INTEGER);
  checkNumber('timeToBeReceivedMs', timeToBeReceivedMs, Number.MAX_SAFE_INTEGER);
  checkNumber('timeToReachQueueMs', timeToReachQueueMs, Number.MAX_SAFE_INTEGER);
  return {
    destination: parseAddress(destination),
    headers: headersOf(headers),
    body,
    ...(priority !== undefined && { priority }),
    ...(delayMs !== undefined && { delayMs }),
    ...(timeToBeReceivedMs !== undefined && { timeToBeReceivedMs }),
    ...(timeToReachQueueMs !== undefined && { timeToReachQueueMs }),
    ...(message.acknowledge !== undefined && { acknowledge: readAcknowledge(message.acknowledge) }),
    ...(deadLetter !== undefined && { deadLetter: deadLetter === true }),
  };
}

function readAcknowledge(acknowledge: SentAcknowledge): AcknowledgementRequest {
  if (typeof acknowledge !== 'object' || acknowledge === null || typeof acknowledge.queue !== 'string')
    throw new InvalidRequest('a message asks for acknowledgement without naming a queue');
  const { queue, reached, received } = acknowledge;
  return {
    queue: parseAddress(queue),
    ...(reached !== undefined && { reached: reached === true }),
    ...(received !== undefined && { received: received === true }),
  };
}

function checkNumber(name: string, value: unknown, max: number): void {
  if (value !== undefined && !(typeof value === 'number' && value >= 0 && value <= max)) {
    throw new InvalidRequest(`'${name}' is not a number from 0 to ${max}`);
  }
}
