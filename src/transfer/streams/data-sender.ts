import { failpoint } from '../../io/failpoint.ts';
import type { WindowEntry } from '../../queues/receive-window.ts';
import type { OutgoingQueue } from '../../queues/transfer-door.ts';
import type { Link } from '../links/link.ts';
import type { DataMessage } from '../wire/frames.ts';
import { DATA_FRAME_BYTES_AIM, DATA_FRAME_MESSAGES_MAX } from '../wire/limits.ts';
import type { OutgoingLedger } from './outgoing-ledger.ts';
import type { LinkCredit } from './stream.ts';

/**
 * Sends the messages of one outgoing queue over one attachment, frame by frame, within the windows.
 *
 *     idle ──schedule()──▶ scheduled ──its turn──▶ a frame ──more to send──▶ scheduled
 *      ▲                                             ├──nothing, window, link──▶ idle, until somebody schedules again
 *      └────────────goOn()──────── stopped ◀─────────┘ something must become durable first
 *
 * It takes a message, looks whether anything stands in its way, and only then numbers it. A message that was taken and has
 * to wait is kept (`#next`); nothing behind it is sent before.
 */
export class DataSender {
  readonly #options: DataSenderOptions;
  /** Taken from the queue, locked, not sent. */
  #next: WindowEntry | undefined;
  /** What the receiver has confirmed on this attachment; the sender's store may still be behind. */
  #confirmedSeq: number;
  #onTheWayBytes = 0;
  #isScheduled = false;
  #stop: Stop | undefined;
  #isOver = false;

  constructor(options: DataSenderOptions) {
    this.#options = options;
    this.#confirmedSeq = options.ledger.ackedSeq;
  }

  /** What must become durable before anything more is sent. */
  get stop(): Stop | undefined {
    return this.#stop;
  }

  /** Sends when its turn comes; harmless when there is nothing to send. */
  schedule(): void {
    const { credit } = this.#options;
    if (this.#isScheduled || !this.#mayGo()) return;
    this.#isScheduled = true;
    credit.schedule(() => {
      this.#isScheduled = this.#mayGo() && this.#takeTurn();
      return this.#isScheduled;
    });
  }

  /** What it was stopped by is out of the way. */
  goOn(): void {
    this.#stop = undefined;
    this.schedule();
  }

  #mayGo(): boolean {
    return !this.#isOver && this.#stop === undefined && this.#options.mayGo();
  }

  /** True when there is more to send, now or when credit is given back. */
  #takeTurn(): boolean {
    let obstacle: Obstacle;
    try {
      obstacle = this.#sendFrame();
    } catch (error) {
      this.#options.failed(error);
      return false;
    }
    switch (obstacle.kind) {
      case 'frameFull':
      case 'noCredit':
        return true;
      case 'unreserved':
      case 'unsendable':
        this.#stop = obstacle;
        this.#options.stopped();
        return false;
      default:
        return false;
    }
  }

  /** Sends one frame, when there is anything to send, and tells what stands in the way of the next. */
  #sendFrame(): Obstacle {
    const { link, channel, ledger, queue } = this.#options;
    if (link.waitingBytes >= LINK_WAITING_BYTES_MAX) return LINK_BUSY;
    const firstSeq = ledger.sent.lastSeq + 1;
    const messages: DataMessage[] = [];
    let frameBytes = 0;
    let obstacle: Obstacle | undefined;
    while (obstacle === undefined) {
      const entry = this.#next ?? queue.takeNext();
      this.#next = entry;
      if (entry === undefined) {
        obstacle = NOTHING;
        break;
      }
      const bytes = entry.headers.byteLength + entry.body.byteLength;
      obstacle = this.#obstacleTo(entry, bytes, frameBytes, messages.length);
      if (obstacle !== undefined) break;
      this.#next = undefined;
      frameBytes += bytes;
      this.#onTheWayBytes += bytes;
      ledger.sent.add(entry.position, entry.headers, entry.body.byteLength);
      messages.push(this.#dataMessageOf(entry));
    }
    if (messages.length > 0) {
      failpoint('transfer.before-data-sent');
      link.send({ type: 'data', channel, firstSeq, acked: ledger.ackedSeq, messages });
      failpoint('transfer.after-data-sent');
    }
    return obstacle;
  }

  /** False when the receiver cannot mean it: it confirms what was not sent. */
  confirm(seq: number): boolean {
    const { ledger, credit } = this.#options;
    if (seq > ledger.sent.lastSeq) return false;
    let bytes = 0;
    for (let one = this.#confirmedSeq + 1; one <= seq; one++) bytes += ledger.sent.at(one)?.byteCount ?? 0;
    this.#confirmedSeq = Math.max(this.#confirmedSeq, seq);
    this.#onTheWayBytes -= bytes;
    credit.give(bytes);
    return true;
  }

  /** What was taken and cannot be sent is leaving the queue: whoever ends this must not give it back. */
  handOverNext(): void {
    this.#next = undefined;
  }

  /** Gives back what was taken and not sent, and the credit. Twice is harmless. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.credit.give(this.#onTheWayBytes);
    this.putBackNext();
  }

  /** Gives back what was taken and not sent: nothing is sent for a while. */
  putBackNext(): void {
    this.#stop = undefined;
    if (this.#next === undefined) return;
    const { position } = this.#next;
    this.#next = undefined;
    this.#options.queue.release(position);
  }

  #obstacleTo(entry: WindowEntry, bytes: number, frameBytes: number, frameMessages: number): Obstacle | undefined {
    const { ledger, link, queue, credit } = this.#options;
    if (entry.isDamaged) return { kind: 'unsendable', entry, code: 'DAMAGED_MESSAGE', text: DAMAGED };
    const { bodyBytesMax, machine } = link.peer;
    if (entry.body.byteLength > bodyBytesMax) {
      const text = `The body has ${entry.body.byteLength} bytes; '${machine}' takes at most ${bodyBytesMax}.`;
      return { kind: 'unsendable', entry, code: 'NACK_TOO_LARGE', text };
    }
    if (frameMessages > 0 && (frameMessages >= DATA_FRAME_MESSAGES_MAX || frameBytes + bytes > DATA_FRAME_BYTES_AIM)) {
      return FRAME_FULL;
    }
    const leftMs = queue.timeToBeReceivedLeftMs(entry);
    if (leftMs !== undefined && leftMs <= 0) {
      this.putBackNext();
      return EXPIRED;
    }
    if (entry.position > ledger.reservedUpTo) return { kind: 'unreserved', position: entry.position };
    if (!this.#fitsWindow(bytes)) return WINDOW_FULL;
    return credit.take(bytes) ? undefined : NO_CREDIT;
  }

  /** A message larger than the whole window goes alone. */
  #fitsWindow(bytes: number): boolean {
    const { ledger, windowMessages, windowBytes } = this.#options;
    const onTheWay = ledger.sent.lastSeq - this.#confirmedSeq;
    // What is confirmed and not yet removed here is bounded too: a slow disk of ours slows the stream down.
    if (ledger.sent.count >= 2 * windowMessages) return false;
    return onTheWay === 0 || (onTheWay < windowMessages && this.#onTheWayBytes + bytes <= windowBytes);
  }

  #dataMessageOf(entry: WindowEntry): DataMessage {
    const { ledger, queue } = this.#options;
    return {
      headers: entry.headers,
      body: entry.body,
      priority: queue.priorityOf(entry),
      timeToBeReceivedMs: queue.timeToBeReceivedLeftMs(entry),
      isPossibleDuplicate: entry.position <= (ledger.row?.possibleDuplicateUpTo ?? 0),
    };
  }
}

export interface DataSenderOptions {
  readonly queue: OutgoingQueue;
  readonly ledger: OutgoingLedger;
  readonly link: Link;
  readonly channel: number;
  readonly credit: LinkCredit;
  /** As the receiver granted them. */
  readonly windowMessages: number;
  readonly windowBytes: number;
  /** False while nothing may be sent, as on hold. */
  readonly mayGo: () => boolean;
  /** There is something in `stop`. */
  readonly stopped: () => void;
  readonly failed: (error: unknown) => void;
}

/** Why no more is sent now. */
type Obstacle =
  /** Nothing is there; the queue tells when there is. */
  | { readonly kind: 'nothing' }
  /** The frame is full, the next one may go at once. */
  | { readonly kind: 'frameFull' }
  /** Goes on when the receiver confirms, or when the store here has removed what was confirmed. */
  | { readonly kind: 'windowFull' }
  /** Goes on when some is given back. */
  | { readonly kind: 'noCredit' }
  /** Goes on when the link is drained. */
  | { readonly kind: 'linkBusy' }
  /** The time of the next message is over: it is given back, and expiry takes it away, which the queue tells. */
  | { readonly kind: 'expired' }
  | Stop;

export type Stop =
  /** Goes on when the reservation is durable. */
  | { readonly kind: 'unreserved'; readonly position: number }
  /** Goes on when the message has left durably: the numbers of those behind it depend on that. */
  | { readonly kind: 'unsendable'; readonly entry: WindowEntry; readonly code: string; readonly text: string };

const NOTHING: Obstacle = { kind: 'nothing' };
const FRAME_FULL: Obstacle = { kind: 'frameFull' };
const WINDOW_FULL: Obstacle = { kind: 'windowFull' };
const NO_CREDIT: Obstacle = { kind: 'noCredit' };
const LINK_BUSY: Obstacle = { kind: 'linkBusy' };
const EXPIRED: Obstacle = { kind: 'expired' };

/** Bytes that wait for the system: more would only fill memory. */
const LINK_WAITING_BYTES_MAX = 1024 * 1024;
const DAMAGED = 'The bytes of the stored message do not match their checksum; it was not sent. Check the disk.';
