import { invariant } from '../../message/posthorn-error.ts';
import type { Link } from '../links/link.ts';
import type { Acked, Attached, Detached, Frame } from '../wire/frames.ts';
import { Confirmations } from './confirmations.ts';
import { DataSender } from './data-sender.ts';
import { type BegunChange, HoldChanges } from './hold-changes.ts';
import { OutgoingLedger } from './outgoing-ledger.ts';
import type { OutgoingStreamOptions } from './outgoing-stream-options.ts';
import { settle } from './settlement.ts';
import type { LinkCredit, OutgoingStream, StreamEvent, StreamView } from './stream.ts';
import { ATTACHED, ATTACHING, type Attachment, BEGINNING, DETACHED, type Phase } from './stream-phase.ts';
import { UnitFollower } from './unit-follower.ts';

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

class Stream implements OutgoingStream {
  readonly queue: string;
  readonly #options: OutgoingStreamOptions;
  readonly #ledger: OutgoingLedger;
  readonly #listeners: (() => void)[] = [];
  readonly #stopListening: () => void;
  readonly #holds: HoldChanges;
  #phase: Phase = DETACHED;
  #attachment: Attachment | undefined;
  readonly #confirmed: Confirmations;
  #mayLowerReservation = false;
  readonly #units: UnitFollower;
  #acknowledged = 0;
  #lastAcknowledgedMs: number | undefined;
  #stopping: (() => void) | undefined;
  #isStopping = false;
  #told = { needsLink: false, state: '' };

  constructor(options: OutgoingStreamOptions, ledger: OutgoingLedger) {
    this.queue = options.queue.name;
    this.#options = options;
    this.#ledger = ledger;
    this.#confirmed = new Confirmations(ledger.ackedSeq);
    this.#holds = new HoldChanges(ledger, options.io.clock, () => this.#step());
    this.#stopListening = options.queue.listen(() => this.#queueChanged());
    this.#units = new UnitFollower({
      io: options.io,
      goOn: () => this.#goOn(),
      failed: (error, text) => this.#failed(error, text),
    });
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
      failure: this.#units.trouble,
    };
  }

  get #state(): StreamView['state'] {
    if (this.#units.trouble !== undefined) return 'failed';
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
    return this.#holds.hold(by);
  }

  release(): Promise<void> {
    return this.#holds.release();
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

  /** The next thing that is to be made durable; nothing while something is under way. */
  #step(): void {
    if (!this.#ledger.isBusy && this.#units.trouble === undefined) this.#takeStep();
    this.#tell();
    if (!this.#ledger.isBusy) this.#stopping?.();
  }

  #takeStep(): void {
    const ledger = this.#ledger;
    const phase = this.#phase;
    if (this.#holds.isAsked) this.#applyHold(this.#holds.begin());
    else if (phase.kind === 'settling') this.#settle(phase.answer);
    else if (this.#confirmed.seq > ledger.ackedSeq) this.#removeConfirmed();
    else if (phase.kind === 'beginning') this.#beginAttaching();
    else if (phase.kind === 'attached') this.#clearTheWay();
    else if (phase.kind === 'detached' && this.#mayLowerReservation) {
      this.#mayLowerReservation = false;
      if (ledger.row !== undefined && ledger.isReservedAhead) this.#units.follow(ledger.lowerReservation());
    }
  }

  #applyHold({ unit, beginsEpoch, isHold }: BegunChange): void {
    this.#units.follow(unit, () => {
      if (isHold) this.#sender?.putBackNext();
      // Nothing is known of the new epoch, and no link was used since the hold.
      if (beginsEpoch) this.#nothingConfirmed();
    });
  }

  #settle(answer: Attached): void {
    const { queue, onReplacedStore, io } = this.#options;
    const { peer } = this.#attachmentNow().link;
    const wallMs = io.clock.wallNowMs();
    const settlement = settle(answer, { ledger: this.#ledger, queue, peer, onReplacedStore, wallMs });
    const phase = this.#phase;
    if (settlement.kind === 'resumed') {
      if (settlement.unit === undefined) this.#settled(phase, answer);
      else {
        this.#units.follow(settlement.unit, () => {
          this.#noteAcknowledged(settlement.acknowledgedCount);
          this.#settled(phase, answer);
        });
      }
      return;
    }
    this.#units.follow(settlement.unit, () => {
      this.#announce(settlement.event);
      this.#nothingConfirmed();
      if (settlement.kind === 'held') this.detach();
      else if (this.#phase === phase) this.#phase = BEGINNING;
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
      mayGo: () => this.#ledger.hold === undefined && this.#units.trouble === undefined,
      stopped: () => this.#step(),
      failed: (error) => this.#units.failed(error),
    });
  }

  get #reservationDue(): number | undefined {
    return this.#phase === ATTACHED ? this.#ledger.reservationDue : undefined;
  }

  /** Beyond what is durable. */
  #nothingConfirmed(): void {
    this.#confirmed.reset(this.#ledger.ackedSeq);
  }

  #removeConfirmed(): void {
    const { seq } = this.#confirmed;
    const refused = this.#confirmed.takeRefused();
    const removedCount = seq - this.#ledger.ackedSeq;
    this.#units.follow(
      this.#ledger.acknowledge(seq, { refused, reserveUpTo: this.#reservationDue }),
      () => this.#noteAcknowledged(removedCount),
      () => this.#confirmed.putBackRefused(refused),
    );
  }

  #beginAttaching(): void {
    const { row, ackedSeq, ackedDigest, hold } = this.#ledger;
    if (hold?.reason === 'RESYNC_NEEDED') return;
    if (row === undefined) {
      this.#units.follow(this.#ledger.begin());
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
      else this.#units.follow(this.#ledger.reserve(stop.position), () => sender.goOn());
      return;
    }
    const { entry, code, text } = stop;
    sender.handOverNext();
    this.#options.logger.warn(`A message of ${this.queue} goes to the dead-letter queue: ${text}`, { code });
    this.#units.follow(
      this.#ledger.deadLetterUnsent(entry, code, text),
      () => sender.goOn(),
      () => {
        this.#options.queue.release(entry.position);
        sender.goOn();
      },
    );
  }

  /** A unit has committed, or one that failed is to be tried again. */
  #goOn(): void {
    this.#sender?.schedule();
    this.#step();
  }

  #failed(error: unknown, text: string): void {
    this.#options.logger.warn(`The outgoing queue ${this.queue} cannot go on: ${text}`, { error });
    if (this.#units.isHopeless) {
      this.#endAttachment();
      this.#phase = DETACHED;
    }
    this.#holds.fail(error);
    this.#tell();
    this.#stopping?.();
  }

  #acked(frame: Acked): void {
    const sender = this.#sender;
    if (this.#phase.kind !== 'attached' || sender === undefined || frame.seq <= this.#confirmed.seq) return;
    if (!sender.confirm(frame.seq)) {
      const text = `${this.queue}: sequence ${frame.seq} was acknowledged and never sent`;
      this.#attachmentNow().link.close('MALFORMED', text);
      return;
    }
    this.#confirmed.add(frame.seq, frame.refused);
    this.#goOn();
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
