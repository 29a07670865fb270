import { failpoint } from '../../io/failpoint.ts';
import type { Logger } from '../../io/logger.ts';
import { invariant, PosthornError } from '../../message/posthorn-error.ts';
import type { DeliverAnswer, TransferDoor } from '../../queues/transfer-door.ts';
import type { UnitOfWork } from '../../transactions/unit-of-work.ts';
import type { Acked, Attach, Data, DataMessage, DetachCode, MessageRefusalCode } from '../wire/frames.ts';
import { STREAM_WINDOW_BYTES, STREAM_WINDOW_MESSAGES } from '../wire/limits.ts';
import { type AttachAnswer, answerAttach } from './answer-attach.ts';
import { type Digest, EMPTY_DIGEST, formatDigest, nextDigest, parseDigest } from './digest.ts';
import { nextStampMs, tidyFormerEpochs } from './former-epochs.ts';
import type { IncomingAttachment } from './incoming-attachment.ts';
import { readRow } from './state-rows.ts';
import { type IncomingRow, incomingKey } from './stream-rows.ts';

/**
 * The receiver's end of one stream: what came in, in the order of its numbers, becomes durable together with the number of
 * the last one, and only then is acknowledged.
 *
 * Invariants
 * - One attachment at a time, whatever its epoch; a later one ends the one before, and is answered when the unit under way
 *   has ended. So what ATTACHED says is durable, and nothing of an older attachment is enqueued after it: of two epochs
 *   that do not know of each other (a copied store), the second is found out by the row of the first.
 * - One unit at a time. What comes in meanwhile waits (`#waiting`), within the window that was granted.
 * - `#row` is what is durable; after a unit whose outcome is unknown, and for another epoch, it is read again.
 */
export class IncomingStream {
  readonly queue: string;
  readonly #options: IncomingStreamOptions;
  #attachment: IncomingAttachment | undefined;
  /** Of the row in memory; undefined: it must be read. */
  #epoch: string | undefined;
  #row: IncomingRow | undefined;
  #digest: Digest = EMPTY_DIGEST;
  #stampMs = 0;
  #waiting: DataMessage[] = [];
  #waitingBytes = 0;
  #unit: { readonly messages: number; readonly bytes: number } | undefined;
  #isWaitingForRoom = false;
  /** What the sender has made durable of our acknowledgements. */
  #senderAcked = 0;
  #whenUnitEnded: (() => void)[] = [];
  #attaching = Promise.resolve();
  #attachingCount = 0;

  constructor(options: IncomingStreamOptions) {
    this.queue = options.queue;
    this.#options = options;
  }

  get last(): number {
    return this.#row?.last ?? 0;
  }

  /** Nobody uses it and nothing is under way: it can be forgotten and read again. */
  get isIdle(): boolean {
    const isUnused = this.#attachment === undefined && this.#attachingCount === 0;
    return isUnused && this.#unit === undefined && !this.#isWaitingForRoom;
  }

  /** Answers ATTACHED, or DETACHED, when nothing is under way any more, also no other attach. */
  attach(attachment: IncomingAttachment, frame: Attach): Promise<void> {
    // The new one first: a stream that nobody uses is forgotten.
    const former = this.#attachment;
    this.#attachment = attachment;
    former?.detach('TAKEN_OVER', TAKEN_OVER, TAKEN_OVER_RETRY_MS);
    this.#dropWaiting();
    this.#attachingCount++;
    this.#attaching = this.#attaching
      .then(() => this.#answer(attachment, frame))
      .then(() => {
        this.#attachingCount--;
        this.#tellIdle();
      });
    return this.#attaching;
  }

  /** Never rejects. */
  async #answer(attachment: IncomingAttachment, frame: Attach): Promise<void> {
    try {
      await this.#unitEnded();
      if (this.#attachment !== attachment) return;
      const answer = await this.#readAnswer(attachment, frame);
      if (this.#attachment !== attachment) return;
      failpoint('transfer.before-attached');
      if (answer.kind === 'wentBack') this.leave(attachment);
      else attachment.state = 'open';
      const { last, digest, refused } = answer;
      const window = { windowMessages: STREAM_WINDOW_MESSAGES, windowBytes: STREAM_WINDOW_BYTES };
      attachment.link.send({ type: 'attached', channel: attachment.channel, last, digest, refused, ...window });
    } catch (error) {
      this.#epoch = undefined;
      this.#options.logger.warn(`A stream to '${this.queue}' cannot be read: ${reasonOf(error)}`, { error });
      if (this.#attachment === attachment) this.#detach('STORE_RECOVERING', reasonOf(error), STORE_RETRY_MS);
    }
  }

  /** The channel or its link is gone; nothing is said on it any more. */
  leave(attachment: IncomingAttachment): void {
    attachment.state = 'ended';
    if (this.#attachment !== attachment) return;
    this.#attachment = undefined;
    this.#dropWaiting();
    this.#tellIdle();
  }

  data(attachment: IncomingAttachment, frame: Data): void {
    if (attachment.state === 'ended' || this.#attachment !== attachment) return;
    const { messages, firstSeq } = frame;
    const expectedSeq = this.last + (this.#unit?.messages ?? 0) + this.#waiting.length + 1;
    if (firstSeq !== expectedSeq || attachment.state === 'loading') {
      const text = `Message ${firstSeq} for '${this.queue}' came where ${expectedSeq} was expected.`;
      this.#detach('OUT_OF_SEQUENCE', text, OUT_OF_SEQUENCE_RETRY_MS);
      return;
    }
    for (const message of messages) this.#waitingBytes += message.headers.byteLength + message.body.byteLength;
    for (const message of messages) this.#waiting.push(message);
    attachment.received += messages.length;
    if (!this.#isWithinWindow() || frame.acked >= firstSeq) {
      attachment.link.close('MALFORMED', `More came for '${this.queue}' than the window that was granted.`);
      this.leave(attachment);
      return;
    }
    this.#senderAcked = Math.max(this.#senderAcked, frame.acked);
    this.#work();
  }

  async #readAnswer(attachment: IncomingAttachment, frame: Attach): Promise<AttachAnswer> {
    const { door, storeId, queue } = this.#options;
    const { epoch, formerEpochs, acked } = frame;
    const row =
      this.#epoch === epoch ? this.#row : await readRow<IncomingRow>(door, incomingKey(storeId, queue, epoch));
    const { machine } = attachment;
    const tidy = await tidyFormerEpochs(door, { storeId, queue, epoch, formerEpochs, machine, row });
    this.#row = tidy.row;
    this.#stampMs = tidy.stampMs;
    this.#digest = parseDigest(this.#row?.digest ?? '') ?? EMPTY_DIGEST;
    this.#epoch = epoch;
    this.#senderAcked = acked;
    return answerAttach({ row: this.#row, acked });
  }

  /** A single message may be larger than the window. */
  #isWithinWindow(): boolean {
    const messages = this.#waiting.length + (this.#unit?.messages ?? 0);
    const bytes = this.#waitingBytes + (this.#unit?.bytes ?? 0);
    return messages <= 1 || (messages <= STREAM_WINDOW_MESSAGES && bytes <= STREAM_WINDOW_BYTES);
  }

  #work(): void {
    if (this.#unit !== undefined || this.#isWaitingForRoom || this.#waiting.length === 0) return;
    const room = this.#options.door.admission();
    if (room === undefined) {
      void this.#commitWaiting();
      return;
    }
    this.#isWaitingForRoom = true;
    const link = this.#attachment?.link;
    link?.pauseReading();
    void room.then(() => {
      this.#isWaitingForRoom = false;
      link?.resumeReading();
      this.#work();
      this.#tellIdle();
    });
  }

  /** Never rejects: what fails is told to the sender, and to the log. */
  async #commitWaiting(): Promise<void> {
    const attachment = this.#attachment;
    if (attachment === undefined) return;
    const { door } = this.#options;
    const work = door.begin();
    let unit: EnlistedUnit;
    try {
      unit = this.#enlist(attachment.machine, work);
    } catch (error) {
      work.rollback();
      return this.#unitFailed(error, work);
    }
    const { later, row } = unit;
    if (unit.messages === 0) {
      work.rollback();
    } else {
      this.#unit = unit;
      door.setState(work, this.#key, JSON.stringify(row));
      failpoint('transfer.received-before-commit');
      try {
        await work.commit();
      } catch (error) {
        this.#unit = undefined;
        this.#unitFailed(error, work);
        return this.#tellIdle();
      }
      this.#committed(unit, attachment);
    }
    if (later !== undefined && this.#attachment === attachment) {
      this.#detach(later.code, later.text, RETRY_MS[later.code]);
    }
    this.#work();
    this.#tellIdle();
  }

  /** Takes what waits, up to a limit, or to the first message that cannot be taken now. */
  #enlist(fromMachine: string, work: UnitOfWork): EnlistedUnit {
    const { door } = this.#options;
    const { queue } = this;
    const before = this.last;
    const refused: { seq: number; code: MessageRefusalCode; text: string }[] = [];
    let digest = this.#digest;
    let messages = 0;
    let bytes = 0;
    let later: Later | undefined;
    for (const { headers, body, priority, timeToBeReceivedMs, isPossibleDuplicate } of this.#waiting) {
      if (messages >= UNIT_MESSAGES_MAX || bytes >= UNIT_BYTES_MAX) break;
      const answer = door.deliver(
        { queue, fromMachine, headers, body, priority, timeToBeReceivedMs, isPossibleDuplicate },
        work,
      );
      if (answer.kind === 'later') {
        later = answer;
        break;
      }
      messages++;
      bytes += headers.byteLength + body.byteLength;
      digest = nextDigest(digest, headers, body.byteLength);
      if (answer.kind === 'refused') {
        refused.push({ seq: before + messages, code: answer.code, text: answer.text.slice(0, REFUSAL_TEXT_MAX) });
      }
    }
    this.#waiting.splice(0, messages);
    this.#waitingBytes -= bytes;
    return { messages, bytes, digest, refused, later, row: this.#rowAfter(fromMachine, messages, digest, refused) };
  }

  get #key(): string {
    const { storeId, queue } = this.#options;
    invariant(this.#epoch !== undefined, 'messages are taken only in an epoch that is attached');
    return incomingKey(storeId, queue, this.#epoch);
  }

  #rowAfter(machine: string, messages: number, digest: Digest, refused: IncomingRow['refused']): IncomingRow {
    const former = this.#row;
    this.#stampMs = nextStampMs(this.#options.door.nowMs(), this.#stampMs);
    const known = former?.refused ?? [];
    let forgotten = former?.forgottenRefusalSeq ?? 0;
    const kept = known.filter(({ seq }) => seq > this.#senderAcked);
    for (const { seq } of known) if (seq <= this.#senderAcked) forgotten = Math.max(forgotten, seq);
    return {
      last: this.last + messages,
      digest: formatDigest(digest),
      refused: [...kept, ...refused],
      machine,
      usedMs: this.#stampMs,
      ...(forgotten > 0 && { forgottenRefusalSeq: forgotten }),
    };
  }

  #committed(unit: EnlistedUnit, attachment: IncomingAttachment): void {
    this.#unit = undefined;
    this.#row = unit.row;
    this.#digest = unit.digest;
    failpoint('transfer.committed-before-ack');
    if (attachment.state !== 'open') return;
    const { channel, link } = attachment;
    link.send({ type: 'acked', channel, seq: unit.row.last, refused: unit.refused });
    failpoint('transfer.after-ack');
  }

  /** Nothing of the unit is there, or nobody knows: the sender keeps everything and asks again. */
  #unitFailed(error: unknown, work: UnitOfWork): void {
    const text = reasonOf(error);
    this.#options.logger.warn(`Messages for '${this.queue}' could not be stored: ${text}`, { error });
    if (work.state === 'unknown') this.#epoch = undefined;
    const isFull = error instanceof PosthornError && error.code === 'STORE_FULL';
    this.#detach(isFull ? 'STORE_FULL' : 'STORE_RECOVERING', text, isFull ? RETRY_MS.STORE_FULL : STORE_RETRY_MS);
  }

  #detach(code: DetachCode, text: string, retryAfterMs: number): void {
    this.#dropWaiting();
    this.#attachment?.detach(code, text.slice(0, DETACH_TEXT_MAX), retryAfterMs);
    this.#attachment = undefined;
    this.#tellIdle();
  }

  #dropWaiting(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #unitEnded(): Promise<void> | undefined {
    if (this.#unit === undefined) return undefined;
    return new Promise((resolve) => this.#whenUnitEnded.push(resolve));
  }

  #tellIdle(): void {
    if (this.#unit !== undefined) return;
    for (const resolve of this.#whenUnitEnded.splice(0)) resolve();
    if (this.isIdle) this.#options.idle();
  }
}

export interface IncomingStreamOptions {
  readonly door: TransferDoor;
  readonly logger: Logger;
  readonly storeId: string;
  readonly queue: string;
  /** Told when nobody uses it and nothing is under way. */
  readonly idle: () => void;
}

type Later = Extract<DeliverAnswer, { kind: 'later' }>;

interface EnlistedUnit {
  readonly messages: number;
  readonly bytes: number;
  /** At `row.last`. */
  readonly digest: Digest;
  readonly refused: IncomingRow['refused'] & Acked['refused'];
  readonly later: Later | undefined;
  readonly row: IncomingRow;
}

/** One unit of work, at most; what is beyond goes with the next. */
const UNIT_MESSAGES_MAX = 1024;
const UNIT_BYTES_MAX = 2 * 1024 * 1024;
/** So that the refusals of a whole window fit into one frame. */
const REFUSAL_TEXT_MAX = 120;
const DETACH_TEXT_MAX = 500;
const OUT_OF_SEQUENCE_RETRY_MS = 20;
const TAKEN_OVER = 'Another link of the same machine attached this stream.';
const TAKEN_OVER_RETRY_MS = 1_000;
const STORE_RETRY_MS = 2_000;
const RETRY_MS: Record<Later['code'], number> = { QUEUE_FULL: 5_000, STORE_FULL: 5_000, QUEUE_NOT_YET_THERE: 2_000 };

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
