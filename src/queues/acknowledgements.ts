import type { Clock, Random } from '../io/io.ts';
import { type Address, formatAddress, parseAddress } from '../message/address.ts';
import { Header, type Headers } from '../message/headers.ts';
import { PRIORITY_DEFAULT } from '../message/limits.ts';
import { formatTimestamp } from '../message/timestamp.ts';
import type { UnitOfWork } from '../transactions/unit-of-work.ts';
import type { AcknowledgementRequest } from '../transport/transport.ts';
import { headersWith } from './header-search.ts';
import type { MachineNames } from './machine-names.ts';
import { PendingPut, type PutOwner } from './pending-put.ts';
import type { QueueSet } from './queue-set.ts';

/**
 * Tells administration queues what became of messages whose senders asked (MSMQ's acknowledgements).
 *
 * An acknowledgement is an ordinary message with an empty object as its body, sent in the unit that decides: it is there if
 * and only if what it tells has happened. It asks for no acknowledgement itself, so none causes another.
 */
export class Acknowledgements {
  readonly #queues: QueueSet;
  readonly #owner: AcknowledgementOwner;

  constructor(queues: QueueSet, owner: AcknowledgementOwner) {
    this.#queues = queues;
    this.#owner = owner;
  }

  /**
   * Enlists the acknowledgement when the message with these stored headers asks for one of this class (an
   * `AcknowledgementClass`, or how another machine refused it). Never throws.
   */
  tell(headers: Uint8Array, what: string, queue: string, work: UnitOfWork): void {
    const parsed = headersWith(headers, 'administrationQueue');
    if (parsed === undefined || !isWanted(parsed[Header.acknowledge], what)) return;
    try {
      this.#send(parsed, what, queue, work);
    } catch (error) {
      // What the sender asked for beside its message must not hold up the message.
      this.#owner.failed(error, `acknowledging a message of queue '${queue}'`);
    }
  }

  #send(message: Headers, what: string, queue: string, work: UnitOfWork): void {
    const { names, random, clock } = this.#owner;
    const destination = parseAddress(message[Header.administrationQueue] ?? '');
    const headers: Record<string, string> = {
      [Header.messageId]: random.uuid(),
      [Header.messageIntent]: 'Send',
      [Header.timeSent]: formatTimestamp(clock.wallNowMs()),
      [Header.originatingMachine]: names.machine,
      [Header.enclosedMessageTypes]: ACKNOWLEDGEMENT_TYPE,
      [Header.contentType]: 'application/json',
      [Header.acknowledgement]: what,
      [Header.acknowledgedQueue]: names.addressOf(queue),
    };
    const { [Header.messageId]: id, [Header.conversationId]: conversationId } = message;
    if (id !== undefined) headers[Header.correlationId] = headers[Header.relatedTo] = id;
    if (conversationId !== undefined) headers[Header.conversationId] = conversationId;
    const put = {
      headers: Buffer.from(JSON.stringify(headers)),
      body: EMPTY_BODY,
      priority: PRIORITY_DEFAULT,
      isDelayed: false,
      deadlineMs: undefined,
    };
    work.enlist(new PendingPut(this.#queues.ensureNow(names.queueNameOf(destination)), put, this.#owner));
  }
}

/** `Acknowledgements.tell`, as others are given it. */
export type Acknowledge = (headers: Uint8Array, what: string, queue: string, work: UnitOfWork) => void;

/** The message type of acknowledgements, so that an endpoint can handle them. */
export const ACKNOWLEDGEMENT_TYPE = 'Posthorn.Acknowledgement';

/** Classes that the queue manager itself tells, in MSMQ's words; the refusals of other machines join them as they are. */
export type AcknowledgementClass =
  | 'ACK_REACH_QUEUE'
  | 'ACK_RECEIVE'
  | 'NACK_REACH_QUEUE_TIMEOUT'
  | 'NACK_RECEIVE_TIMEOUT_AT_SENDER'
  | 'NACK_RECEIVE_TIMEOUT'
  | 'NACK_Q_PURGED'
  | 'NACK_PURGED';

export interface AcknowledgementOwner extends PutOwner {
  readonly names: MachineNames;
  readonly random: Random;
  readonly clock: Clock;
  failed(error: unknown, doing: string): void;
}

/** The headers by which a message asks. */
export function acknowledgementHeaders(request: AcknowledgementRequest, ownMachine: string): Record<string, string> {
  const { queue, reached, received } = request;
  const isBoth = reached === undefined && received === undefined;
  const wanted = [
    ...(isBoth || reached === true ? ['reached'] : []),
    ...(isBoth || received === true ? ['received'] : []),
  ];
  const address: Address = { queue: queue.queue, machine: queue.machine ?? ownMachine };
  return { [Header.administrationQueue]: formatAddress(address), [Header.acknowledge]: wanted.join(',') };
}

/** Everything stands in the headers; an empty object, so that an endpoint can handle it as any message of JSON. */
const EMPTY_BODY = Buffer.from('{}');

/** A message that never got into its queue answers both questions with no. */
function isWanted(wanted: string | undefined, what: string): boolean {
  const both = (wanted ?? '').split(',');
  if (what === 'ACK_REACH_QUEUE') return both.includes('reached');
  if (RECEIPT_CLASSES.has(what)) return both.includes('received');
  return both.includes('reached') || both.includes('received');
}

const RECEIPT_CLASSES: ReadonlySet<string> = new Set<AcknowledgementClass>([
  'ACK_RECEIVE',
  'NACK_RECEIVE_TIMEOUT',
  'NACK_Q_PURGED',
]);
