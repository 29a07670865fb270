import type { Io, Timer } from '../../io/io.ts';
import type { Logger } from '../../io/logger.ts';
import { invariant } from '../../message/posthorn-error.ts';
import type { OutgoingQueue, TransferDoor } from '../../queues/transfer-door.ts';
import { isOutcomeUnknown } from '../../transactions/outcome-unknown.ts';
import type { Link } from '../links/link.ts';
import type { Acked, Attached, Detached, Frame, RefusedMessage } from '../wire/frames.ts';
import { DataSender } from './data-sender.ts';
import { OutgoingLedger } from './outgoing-ledger.ts';
import { type Decision, reconcile } from './reconcile.ts';
import type { LinkCredit, OutgoingStream, StreamEvent, StreamView } from './stream.ts';
import { describeEvent } from './stream-event-text.ts';
import type { HoldRow } from './stream-rows.ts';
import { UnitTrouble } from './unit-trouble.ts';

/**
 * Opens the sender's end of one outgoing queue: reads what is durable of it, and takes the messages over that a process
 * before this one may have sent.
 *
 *     detached ──attachTo──▶ beginning ──ATTACH──▶ attaching ──ATTACHED──▶ settling ──durable──▶ attached
 *        ▲                    ▲    ▲                   │                     │  │                   │
 *        │                    │    └──── new epoch ────┼─────────────────────┘  │                   │
 *        │                    └──── its time ── paused ◀──────── DETACHED ──────┴───────────────────┘
 *        └── detach(), from anywhere
 *
 * `#step` does the next thing that needs a unit of work, one at a time, in this order: what an operator asked for; what the
 * receiver's ATTACHED said; what was acknowledged; then ATTACH, or what stands in the way of the next message. So ATTACH
 * goes out only when everything known is durable, and `acked` in it is what this store will remember.
 * A unit that fails leaves everything as it was; it is tried again later, but for one whose outcome is unknown: then
 * nothing is touched any more until the process has started again.
 */
export async function openOutgoingStream(options: OutgoingStreamOptions): Promise<OutgoingStream> {
  return new Stream(options, await OutgoingLedger.open(options));
}

export interface OutgoingStreamOptions {
  readonly queue: OutgoingQueue;
  readonly door: TransferDoor;
  readonly io: Io;
  readonly logger: Logger;
  /** Told of what reconciliation found; the log has it too. */
  readonly onEvent?: ((event: StreamEvent) => void) | undefined;
  /** When the receiver's store is another one: begin anew by itself (default), or wait for an operator's release. */
  readonly onReplacedStore?: 'resend' | 'hold' | undefined;
}

type Phase =
  | { readonly kind: 'detached' }
  | { readonly kind: 'beginning' | 'attaching' | 'attached' }
  | { readonly kind: 'settling'; readonly answer: Attached }
  | { readonly kind: 'paused'; readonly pause: NonNullable<StreamView['pause']>; readonly timer: Timer };

interface Attachment {
  readonly link: Link;
  readonly channel: number;
  readonly credit: LinkCredit;
  /** While attached. */
  sender: DataSender | undefined;
}

interface HoldChange {
  readonly hold: HoldRow | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class Stream implements OutgoingStream {
  readonly queue: string;
  readonly #options: OutgoingStreamOptions;
  readonly #ledger: OutgoingLedger;
  readonly #listeners: (() => void)[] = [];
  readonly #stopListening: () => void;
  readonly #holdChanges: HoldChange[] = [];
  #phase: Phase = DETACHED;
  #attachment: Attachment | undefined;
  /** What the receiver has confirmed, of which this store may not know yet. */
  #confirmedSeq = 0;
  #refused: RefusedMessage[] = [];
  #mayLowerReservation = false;
  readonly #units: UnitTrouble;
  #acknowledged = 0;
  #lastAcknowledgedMs: number | undefined;
  #stopping: (() => void) | undefined;
  #isStopping = false;
  #told = { needsLink: false, state: '' };

  constructor(options: OutgoingStreamOptions, ledger: OutgoingLedger) {
    this.queue = options.queue.name;
    this.#options = options;
    this.#ledger = ledger;
    this.#confirmedSeq = ledger.ackedSeq;
    this.#stopListening = options.queue.listen(() => this.#queueChanged());
    this.#units = new UnitTrouble(options.io.timers, () => this.#tryAgain());
    options.door.onStoreCondition(({ state }) => {
      if (state === 'ready') this.#units.retryNow();
    });
    this.#tell();
  }

  get needsLink(): boolean {
    if (this.#isStopping || this.#units.isHopeless) return false;
    const { hold, sent } = this.#ledger;
    if (hold === undefined) return this.#options.queue.messages > 0;
    return hold.reason === 'OPERATOR' && sent.count > 0;
  }

  get view(): StreamView {
    return {
      state: this.#state,
      pause: this.#phase.kind === 'paused' ? this.#phase.pause : undefined,
      hold: this.#ledger.hold,
      unacknowledged: this.#ledger.sent.count,
      acknowledged: this.#acknowledged,
      lastAcknowledgedMs: this.#lastAcknowledgedMs,
      epoch: this.#ledger.row?.epoch,
      failure: this.#units.text,
    };
  }

  get #state(): StreamView['state'] {
    if (this.#units.isTroubled) return 'failed';
    const { kind } = this.#phase;
    return kind === 'beginning' || kind === 'settling' ? 'attaching' : kind;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  attachTo(link: Link, channel: number, credit: LinkCredit): void {
    this.#endAttachment();
    if (this.#isStopping) return;
    this.#attachment = { link, channel, credit, sender: undefined };
    this.#phase = BEGINNING;
    this.#step();
  }

  detach(): void {
    if (this.#attachment === undefined) return;
    this.#endAttachment();
    this.#phase = DETACHED;
    this.#mayLowerReservation = true;
    this.#step();
  }

  frame(frame: Frame): void {
    switch (frame.type) {
      case 'attached':
        if (this.#phase.kind !== 'attaching') return;
        this.#phase = { kind: 'settling', answer: frame };
        this.#step();
        return;
      case 'acked':
        this.#acked(frame);
        return;
      case 'detached':
        this.#detachedByPeer(frame);
        return;
      default:
        // Frames of the link itself are not the stream's.
        return;
    }
  }

  drained(): void {
    this.#sender?.schedule();
  }

  hold(by: string): Promise<void> {
    // That hold asks for a decision; an operator's would hide it.
    if (this.#ledger.hold?.reason === 'RESYNC_NEEDED') return Promise.resolve();
    const sinceMs = this.#options.io.clock.wallNowMs();
    return this.#changeHold({ reason: 'OPERATOR', by, sinceMs });
  }

  release(): Promise<void> {
    return this.#changeHold(undefined);
  }

  async stop(): Promise<void> {
    if (!this.#isStopping) {
      this.#isStopping = true;
      this.#stopListening();
      this.detach();
      this.#step();
    }
    if (this.#ledger.isBusy) {
      await new Promise<void>((resolve) => {
        const former = this.#stopping;
        this.#stopping = () => {
          former?.();
          resolve();
        };
      });
    }
    this.#units.giveUp();
  }

  #changeHold(hold: HoldRow | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#holdChanges.push({ hold, resolve, reject });
      this.#step();
    });
  }

  /** The next thing that is to be made durable; nothing while something is under way. */
  #step(): void {
    if (!this.#ledger.isBusy && !this.#units.isTroubled) this.#takeStep();
    this.#tell();
    if (!this.#ledger.isBusy) this.#stopping?.();
  }

  #takeStep(): void {
    const ledger = this.#ledger;
    const phase = this.#phase;
    const change = this.#holdChanges.shift();
    if (change !== undefined) this.#applyHold(change);
    else if (phase.kind === 'settling') this.#settle(phase.answer);
    else if (this.#confirmedSeq > ledger.ackedSeq) this.#removeConfirmed();
    else if (phase.kind === 'beginning') this.#beginAttaching();
    else if (phase.kind === 'attached') this.#clearTheWay();
    else if (phase.kind === 'detached' && this.#mayLowerReservation) {
      this.#mayLowerReservation = false;
      if (ledger.row !== undefined && ledger.isReservedAhead) this.#run(ledger.lowerReservation());
    }
  }

  #applyHold(change: HoldChange): void {
    const { hold, resolve, reject } = change;
    const wasResync = this.#ledger.hold?.reason === 'RESYNC_NEEDED';
    const unit = this.#ledger.setHold(hold);
    unit.then(resolve, reject);
    this.#run(unit, () => {
      if (hold !== undefined) this.#sender?.putBackNext();
      // A new epoch has begun; nothing is known of it, and no link was used since the hold.
      if (wasResync && hold === undefined) this.#nothingConfirmed();
    });
  }

  #settle(answer: Attached): void {
    const { link } = this.#attachmentNow();
    const ledger = this.#ledger;
    const { storeId } = link.peer;
    const decision = reconcile(
      {
        acked: ledger.ackedSeq,
        peerStoreId: ledger.row?.peerStoreId,
        digestAt: (seq) => ledger.sent.digestAt(seq),
      },
      { storeId, last: answer.last, digest: answer.digest },
    );
    if (decision.kind === 'newEpoch') {
      this.#beginNewEpoch(decision, answer);
      return;
    }
    const phase = this.#phase;
    if (decision.acknowledgedUpTo === ledger.ackedSeq && ledger.row?.peerStoreId === storeId) {
      this.#settled(phase, answer);
      return;
    }
    const removedCount = decision.acknowledgedUpTo - ledger.ackedSeq;
    const unit = ledger.acknowledge(decision.acknowledgedUpTo, { refused: answer.refused, peerStoreId: storeId });
    this.#run(unit, () => {
      this.#noteAcknowledged(removedCount);
      this.#settled(phase, answer);
    });
  }

  /** What was not confirmed did not arrive, and goes again, in order. */
  #settled(phase: Phase, answer: Attached): void {
    this.#ledger.takeBackUnacknowledged();
    this.#nothingConfirmed();
    if (this.#phase !== phase) return;
    const attachment = this.#attachmentNow();
    attachment.sender = this.#makeSender(attachment, answer);
    this.#phase = ATTACHED;
    attachment.sender.schedule();
    this.#step();
  }

  #makeSender({ link, channel, credit }: Attachment, { windowMessages, windowBytes }: Attached): DataSender {
    return new DataSender({
      queue: this.#options.queue,
      ledger: this.#ledger,
      link,
      channel,
      credit,
      windowMessages,
      windowBytes,
      mayGo: () => this.#ledger.hold === undefined && !this.#units.isTroubled,
      stopped: () => this.#step(),
      failed: (error) => this.#failed(error),
    });
  }

  #beginNewEpoch(decision: Decision & { readonly kind: 'newEpoch' }, answer: Attached): void {
    const ledger = this.#ledger;
    const { queue, onReplacedStore, io } = this.#options;
    const { link } = this.#attachmentNow();
    const text = describeEvent(decision.event, { queue: this.queue, peer: link.peer, answer, row: ledger.row });
    const event = { event: decision.event, queue: this.queue, peer: link.peer.machine, text };
    if (decision.event === 'PEER_STORE_REPLACED' && onReplacedStore === 'hold') {
      const hold: HoldRow = { reason: 'RESYNC_NEEDED', by: text, sinceMs: io.clock.wallNowMs() };
      this.#run(ledger.setHold(hold), () => {
        this.#announce(event);
        this.detach();
      });
      return;
    }
    // A store that went back in time does not know what it had sent: everything it holds may have been.
    const mark = decision.event === 'STREAM_REGRESSION' ? queue.highestPosition() : (ledger.sent.lastPosition ?? 0);
    const phase = this.#phase;
    this.#run(ledger.newEpoch(mark, link.peer.storeId), () => {
      this.#announce(event);
      this.#nothingConfirmed();
      if (this.#phase === phase) this.#phase = BEGINNING;
    });
  }

  /** Beyond what is durable. */
  #nothingConfirmed(): void {
    this.#confirmedSeq = this.#ledger.ackedSeq;
    this.#refused = [];
  }

  #removeConfirmed(): void {
    const ledger = this.#ledger;
    const seq = this.#confirmedSeq;
    const refused = this.#refused;
    this.#refused = [];
    const removedCount = seq - ledger.ackedSeq;
    const unit = ledger.acknowledge(seq, { refused, reserveUpTo: this.#reservationDue() });
    this.#run(
      unit,
      () => this.#noteAcknowledged(removedCount),
      () => {
        this.#refused = [...refused, ...this.#refused];
      },
    );
  }

  /** Rides with a unit that goes anyway, in time before it is needed. */
  #reservationDue(): number | undefined {
    const { reservedUpTo, sent } = this.#ledger;
    const lastPosition = sent.lastPosition ?? 0;
    if (this.#phase.kind !== 'attached' || reservedUpTo - lastPosition > RESERVE_AHEAD / 2) return undefined;
    return lastPosition + RESERVE_AHEAD;
  }

  #beginAttaching(): void {
    const { row, ackedSeq, ackedDigest, hold } = this.#ledger;
    if (hold?.reason === 'RESYNC_NEEDED') return;
    if (row === undefined) {
      this.#run(this.#ledger.begin());
      return;
    }
    const { link, channel } = this.#attachmentNow();
    const { queue } = this.#options.queue.destination;
    const { epoch, formerEpochs } = row;
    this.#phase = ATTACHING;
    link.send({ type: 'attach', channel, queue, epoch, acked: ackedSeq, ackedDigest, formerEpochs });
  }

  #clearTheWay(): void {
    const sender = this.#sender;
    const stop = sender?.stop;
    if (sender === undefined || stop === undefined) return;
    if (stop.kind === 'unreserved') {
      if (stop.position <= this.#ledger.reservedUpTo) sender.goOn();
      else this.#run(this.#ledger.reserve(stop.position + RESERVE_AHEAD), () => sender.goOn());
      return;
    }
    const { entry, code, text } = stop;
    sender.handOverNext();
    this.#options.logger.warn(`A message of ${this.queue} goes to the dead-letter queue: ${text}`, { code });
    this.#run(
      this.#ledger.deadLetterUnsent(entry, code, text),
      () => sender.goOn(),
      () => {
        this.#options.queue.release(entry.position);
        sender.goOn();
      },
    );
  }

  /** Follows a unit of the ledger; `undo` runs when it is proved not to be there. */
  #run(unit: Promise<void>, committed: () => void = () => {}, undo: () => void = () => {}): void {
    unit
      .then(() => {
        this.#units.succeeded();
        committed();
        this.#sender?.schedule();
        this.#step();
      })
      .catch((error: unknown) => {
        if (!isOutcomeUnknown(error)) undo();
        this.#failed(error);
      });
  }

  #failed(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.logger.warn(`The outgoing queue ${this.queue} cannot go on: ${reason}`, { error });
    this.#units.failed(error);
    if (this.#units.isHopeless) {
      this.#endAttachment();
      this.#phase = DETACHED;
    }
    for (const { reject } of this.#holdChanges.splice(0)) reject(error);
    this.#tell();
    this.#stopping?.();
  }

  #tryAgain(): void {
    if (this.#isStopping) return;
    this.#sender?.schedule();
    this.#step();
  }

  #acked(frame: Acked): void {
    const sender = this.#sender;
    if (this.#phase.kind !== 'attached' || sender === undefined || frame.seq <= this.#confirmedSeq) return;
    if (!sender.confirm(frame.seq)) {
      const text = `${this.queue}: sequence ${frame.seq} was acknowledged and never sent`;
      this.#attachmentNow().link.close('MALFORMED', text);
      return;
    }
    this.#confirmedSeq = frame.seq;
    for (const refusal of frame.refused) this.#refused.push(refusal);
    sender.schedule();
    this.#step();
  }

  #detachedByPeer(frame: Detached): void {
    const { kind } = this.#phase;
    if (kind !== 'attaching' && kind !== 'settling' && kind !== 'attached') return;
    const { clock, timers } = this.#options.io;
    this.#endSending();
    const { code, text, retryAfterMs } = frame;
    const timer = timers.after(retryAfterMs, () => {
      this.#attachAgain();
      this.#step();
    });
    this.#phase = { kind: 'paused', pause: { code, text, untilMs: clock.monotonicNowMs() + retryAfterMs }, timer };
    this.#step();
  }

  #attachAgain(): void {
    this.#endSending();
    this.#phase = BEGINNING;
  }

  /** A message became visible or was given back, or a read has ended. */
  #queueChanged(): void {
    if (this.#sender !== undefined) this.#sender.schedule();
    else this.#tell();
  }

  get #sender(): DataSender | undefined {
    return this.#attachment?.sender;
  }

  #noteAcknowledged(count: number): void {
    this.#acknowledged += count;
    this.#lastAcknowledgedMs = this.#options.io.clock.monotonicNowMs();
  }

  #endAttachment(): void {
    this.#endSending();
    if (this.#phase.kind === 'paused') this.#phase.timer.cancel();
    this.#attachment = undefined;
    this.#options.queue.rest();
  }

  #endSending(): void {
    this.#sender?.end();
    if (this.#attachment !== undefined) this.#attachment.sender = undefined;
  }

  #attachmentNow(): Attachment {
    invariant(this.#attachment !== undefined, 'a stream that is not detached has a link');
    return this.#attachment;
  }

  #announce(event: StreamEvent): void {
    const { event: code, queue, peer, text } = event;
    this.#options.logger.warn(text, { event: code, queue, peer });
    this.#options.onEvent?.(event);
  }

  #tell(): void {
    const { needsLink } = this;
    const state = this.#state;
    const isNews = (needsLink && !this.#told.needsLink) || state !== this.#told.state;
    this.#told = { needsLink, state };
    if (isNews) for (const listener of this.#listeners) listener();
  }
}

/** Sequences of the whole queue manager that are reserved at a time. */
const RESERVE_AHEAD = 4096;

const DETACHED: Phase = { kind: 'detached' };
const BEGINNING: Phase = { kind: 'beginning' };
const ATTACHING: Phase = { kind: 'attaching' };
const ATTACHED: Phase = { kind: 'attached' };
