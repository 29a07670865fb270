import { failpoint } from '../../io/failpoint.ts';
import type { Io } from '../../io/io.ts';
import { invariant } from '../../message/posthorn-error.ts';
import type { WindowEntry } from '../../queues/receive-window.ts';
import type { OutgoingQueue, TransferDoor } from '../../queues/transfer-door.ts';
import type { StoredMessage } from '../../store/store.ts';
import type { UnitOfWork } from '../../transactions/unit-of-work.ts';
import type { RefusedMessage } from '../wire/frames.ts';
import { EMPTY_DIGEST, formatDigest } from './digest.ts';
import { SentMessages } from './sent-messages.ts';
import { readRow } from './state-rows.ts';
import { type HoldRow, OUTGOING_HOLD_PREFIX, OUTGOING_STREAM_PREFIX, type OutgoingRow } from './stream-rows.ts';

/**
 * What the sender of one outgoing queue has on the disk, and the units of work that change it. See stream-rows.ts for the
 * order of the syncs.
 *
 * Invariants
 * - At most one unit is under way (`isBusy`); what is read here is what is durable.
 * - Every message of the queue at or below the last one sent is in `sent`, and locked. So the order of positions gives
 *   the sequence numbers again after a crash; a message that cannot be sent leaves durably before the next one is sent.
 * - Units that only rewrite state delete the old value first: the store takes that for shrinking, so a full disk lets
 *   the queue drain.
 */
export class OutgoingLedger {
  readonly #queue: OutgoingQueue;
  readonly #door: TransferDoor;
  readonly #io: Io;
  /** The positions, sizes and digests of what was sent and not acknowledged. */
  readonly sent = new SentMessages();
  #row: OutgoingRow | undefined;
  #hold: HoldRow | undefined;
  #reservedUpTo: number;
  #isBusy = false;

  private constructor(options: LedgerOptions, row: OutgoingRow | undefined, hold: HoldRow | undefined) {
    this.#queue = options.queue;
    this.#door = options.door;
    this.#io = options.io;
    this.#row = row;
    this.#hold = hold;
    this.#reservedUpTo = options.queue.sentUpTo;
    this.sent.beginAt(this.ackedSeq, this.ackedDigest);
    for (const { position, headers, bodyBytes } of options.queue.takePinned())
      this.sent.add(position, headers, bodyBytes);
  }

  static async open(options: LedgerOptions): Promise<OutgoingLedger> {
    const { door, queue } = options;
    const row = await readRow<OutgoingRow>(door, OUTGOING_STREAM_PREFIX + queue.name);
    const hold = await readRow<HoldRow>(door, OUTGOING_HOLD_PREFIX + queue.name);
    return new OutgoingLedger(options, row, hold);
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  get row(): OutgoingRow | undefined {
    return this.#row;
  }

  get hold(): HoldRow | undefined {
    return this.#hold;
  }

  get ackedSeq(): number {
    return this.#row?.ackedSeq ?? 0;
  }

  get ackedDigest(): string {
    return this.#row?.ackedDigest ?? formatDigest(EMPTY_DIGEST);
  }

  /** Messages up to this position may be sent. */
  get reservedUpTo(): number {
    return this.#reservedUpTo;
  }

  /** What to reserve with a unit that goes anyway, in time before it is needed. */
  get reservationDue(): number | undefined {
    const { lastPosition } = this.sent;
    if (lastPosition === undefined || this.#reservedUpTo - lastPosition > RESERVE_AHEAD / 2) return undefined;
    return lastPosition + RESERVE_AHEAD;
  }

  /** More is reserved than was sent: after a crash now, messages that never left would have to wait for the receiver's word. */
  get isReservedAhead(): boolean {
    return this.#reservedUpTo > (this.sent.lastPosition ?? 0);
  }

  /** The first epoch of all, durable before its ATTACH. */
  begin(): Promise<void> {
    const row: OutgoingRow = {
      epoch: this.#io.random.uuid(),
      ackedSeq: 0,
      ackedDigest: formatDigest(EMPTY_DIGEST),
      possibleDuplicateUpTo: 0,
      peerStoreId: undefined,
      formerEpochs: [],
    };
    return this.#commit((work) => this.#writeRow(row, work));
  }

  /**
   * Everything up to `seq` has arrived or was refused: it leaves, and `ackedSeq` says so, in one unit. The refused go to
   * the dead-letter queue. `reserveUpTo` rides along.
   */
  acknowledge(seq: number, answer: Acknowledgement): Promise<void> {
    const row = this.#rowNow();
    const digest = this.sent.digestAt(seq);
    invariant(digest !== undefined, `sequence ${seq} is acknowledged only when it was sent`);
    const refused = new Map(answer.refused.map((refusal) => [refusal.seq, refusal]));
    const messages = this.sent.upTo(seq);
    const accepted = messages.filter((_, index) => !refused.has(row.ackedSeq + 1 + index));
    const isReserving = answer.reserveUpTo !== undefined && answer.reserveUpTo > this.#reservedUpTo;
    const hasRefused = accepted.length < messages.length;
    return this.#commit(
      async (work) => {
        if (accepted.length > 0) this.#queue.complete(accepted, work);
        if (hasRefused) await this.#deadLetterRefused(seq, refused, work);
        const peerStoreId = answer.peerStoreId ?? row.peerStoreId;
        this.#writeRow({ ...row, ackedSeq: seq, ackedDigest: digest, peerStoreId }, work);
        if (isReserving) this.#reserve(answer.reserveUpTo, work);
        failpoint('transfer.acked-before-removal');
        if (hasRefused) failpoint('transfer.before-dead-letter');
      },
      () => {
        failpoint('transfer.after-removal');
        if (hasRefused) failpoint('transfer.after-dead-letter');
        this.sent.acknowledge(seq);
      },
    );
  }

  /** Lets frames with messages up to this position, and some ahead, leave once it is durable. */
  reserve(position: number): Promise<void> {
    const row = this.#rowNow();
    return this.#commit((work) => {
      this.#writeRow(row, work);
      this.#reserve(position + RESERVE_AHEAD, work);
    });
  }

  /** Takes back what was reserved and never used. */
  lowerReservation(): Promise<void> {
    const row = this.#rowNow();
    return this.#commit((work) => {
      this.#writeRow(row, work);
      this.#reserve(this.sent.lastPosition ?? 0, work);
    });
  }

  /**
   * Gives the epoch up; everything unacknowledged goes back to the queue, to be sent again in the new epoch. Messages up to
   * `possibleDuplicateUpTo` will be marked.
   */
  newEpoch(possibleDuplicateUpTo: number, peerStoreId: string | undefined): Promise<void> {
    return this.#commit(
      (work) => {
        this.#writeNewEpoch(possibleDuplicateUpTo, peerStoreId, work);
        failpoint('transfer.before-new-epoch');
      },
      () => {
        failpoint('transfer.after-new-epoch');
        const unacknowledged = this.sent.takeBack();
        this.sent.beginAt(this.ackedSeq, this.ackedDigest);
        for (const { position } of unacknowledged) this.#queue.release(position);
      },
    );
  }

  /** Everything that was sent and not acknowledged did not arrive: it goes back to its place. */
  takeBackUnacknowledged(): void {
    for (const { position } of this.sent.takeBack()) this.#queue.release(position);
  }

  /** A message that was taken and not sent cannot be: it goes to the dead-letter queue. */
  deadLetterUnsent(entry: WindowEntry, reason: string, text: string): Promise<void> {
    return this.#commit((work) => this.#queue.deadLetter(storedMessageOf(entry), reason, text, work));
  }

  setHold(hold: HoldRow | undefined): Promise<void> {
    const former = this.#hold;
    return this.#commit(
      (work) => {
        const key = OUTGOING_HOLD_PREFIX + this.#queue.name;
        this.#door.setState(work, key, undefined);
        if (hold !== undefined) this.#door.setState(work, key, JSON.stringify(hold));
        // The operator has decided: begin anew, whichever store is met next.
        if (hold === undefined && former?.reason === 'RESYNC_NEEDED') {
          this.#writeNewEpoch(this.sent.lastPosition ?? 0, undefined, work);
        }
      },
      () => {
        this.#hold = hold;
        if (hold !== undefined || former?.reason !== 'RESYNC_NEEDED') return;
        const unacknowledged = this.sent.takeBack();
        this.sent.beginAt(this.ackedSeq, this.ackedDigest);
        for (const { position } of unacknowledged) this.#queue.release(position);
      },
    );
  }

  #rowNow(): OutgoingRow {
    invariant(this.#row !== undefined, 'a stream has an epoch before anything is sent');
    return this.#row;
  }

  #writeNewEpoch(possibleDuplicateUpTo: number, peerStoreId: string | undefined, work: UnitOfWork): void {
    const row = this.#rowNow();
    this.#writeRow(
      {
        epoch: this.#io.random.uuid(),
        ackedSeq: 0,
        ackedDigest: formatDigest(EMPTY_DIGEST),
        possibleDuplicateUpTo: Math.max(row.possibleDuplicateUpTo, possibleDuplicateUpTo),
        peerStoreId,
        formerEpochs: [...row.formerEpochs, row.epoch].slice(-FORMER_EPOCHS_MAX),
      },
      work,
    );
  }

  #writeRow(row: OutgoingRow, work: UnitOfWork): void {
    const key = OUTGOING_STREAM_PREFIX + this.#queue.name;
    this.#door.setState(work, key, undefined);
    this.#door.setState(work, key, JSON.stringify(row));
    this.#rowAfter = row;
  }

  #reserve(position: number, work: UnitOfWork): void {
    failpoint('transfer.before-sent-up-to');
    this.#queue.setSentUpTo(position, work);
    // Lowered at once, raised when it is durable: what counts is the lower one.
    this.#reservedUpTo = Math.min(this.#reservedUpTo, position);
    this.#reservedAfter = position;
  }

  async #deadLetterRefused(seq: number, refused: ReadonlyMap<number, RefusedMessage>, work: UnitOfWork): Promise<void> {
    const wanted = new Map<number, RefusedMessage>();
    for (const refusal of refused.values()) {
      const message = refusal.seq <= seq ? this.sent.at(refusal.seq) : undefined;
      if (message !== undefined) wanted.set(message.position, refusal);
    }
    const positions = [...wanted.keys()].sort((left, right) => left - right);
    for (const position of positions) {
      if (!wanted.has(position)) continue;
      const page = await this.#queue.readLocked(position - 1, DEAD_LETTER_PAGE);
      invariant(page[0]?.position === position, 'a message that was sent stays until it is settled');
      for (const message of page) {
        const refusal = wanted.get(message.position);
        if (refusal !== undefined) this.#queue.deadLetter(message, refusal.code, refusal.text, work);
        wanted.delete(message.position);
      }
    }
  }

  #rowAfter: OutgoingRow | undefined;
  #reservedAfter: number | undefined;

  async #commit(fill: (work: UnitOfWork) => void | Promise<void>, committed: () => void = () => {}): Promise<void> {
    invariant(!this.#isBusy, 'one unit of a stream is under way at a time');
    this.#isBusy = true;
    this.#rowAfter = this.#row;
    this.#reservedAfter = undefined;
    const work = this.#door.begin();
    try {
      await fill(work);
      await work.commit();
    } catch (error) {
      work.rollback();
      this.#isBusy = false;
      throw error;
    }
    this.#row = this.#rowAfter;
    if (this.#reservedAfter !== undefined) {
      this.#reservedUpTo = this.#reservedAfter;
      failpoint('transfer.after-sent-up-to');
    }
    this.#isBusy = false;
    committed();
  }
}

export interface LedgerOptions {
  readonly queue: OutgoingQueue;
  readonly door: TransferDoor;
  readonly io: Io;
}

export interface Acknowledgement {
  readonly refused: readonly RefusedMessage[];
  /** When the receiver's store was met only now. */
  readonly peerStoreId?: string | undefined;
  readonly reserveUpTo?: number | undefined;
}

/** Sequences of the whole queue manager that are reserved at a time. */
const RESERVE_AHEAD = 4096;
const FORMER_EPOCHS_MAX = 16;
const DEAD_LETTER_PAGE = 64;

function storedMessageOf(entry: WindowEntry): StoredMessage {
  return {
    // Which place it stands in, the queue knows.
    place: 0,
    position: entry.position,
    deadlineMs: entry.deadlineMs,
    headers: entry.headers,
    body: entry.body,
    bodyBytes: entry.body.byteLength,
    damaged: entry.isDamaged,
  };
}
