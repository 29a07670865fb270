import type { Link } from '../links/link.ts';
import type { Frame } from '../wire/frames.ts';
import type { ReconcileEvent } from './reconcile.ts';
import type { HoldRow } from './stream-rows.ts';

/**
 * One outgoing queue on its way to its machine: the sender's end of a stream (`outgoing-stream.ts` makes it).
 *
 *     detached ──attachTo(link)──▶ attaching ──ATTACHED, reconciled, durable──▶ attached ──all sent and acknowledged──▶ attached
 *        ▲                            │                                           │
 *        └──detach() | link closed ───┴───────────── DETACHED (paused) ───────────┘
 *
 * Whoever owns it (a peer) gives it a link, passes the frames of its channel on, and takes the link away; it never
 * dials. It asks for a link by `needsLink`.
 */
export interface OutgoingStream {
  readonly queue: string;
  /** True when there is something to send or to settle: messages wait, or some were sent and their outcome is unknown. */
  readonly needsLink: boolean;
  /** Tells when `needsLink` became true, and when `view` changed its state. */
  onChange(listener: () => void): void;
  readonly view: StreamView;
  /**
   * From now on it uses this link, and `channel` on it; any link before is let go. After a pause, and for a new epoch, it
   * attaches again by itself, on the same channel: an ATTACH on a channel ends what was there.
   */
  attachTo(link: Link, channel: number, credit: LinkCredit): void;
  /** The link is gone or must not be used any more. What was sent stays locked until the next attach has settled it. */
  detach(): void;
  /** A frame of its channel, or `drained` on the link. */
  frame(frame: Frame): void;
  drained(): void;
  /** Sends nothing new until `release`, also after a restart; what was sent is still settled. Durable when it resolves. */
  hold(by: string): Promise<void>;
  release(): Promise<void>;
  /** Sends nothing new any more; resolves when the units that are under way have ended. */
  stop(): Promise<void>;
}

export interface StreamView {
  readonly state: 'detached' | 'attaching' | 'attached' | 'paused' | 'failed';
  /** While paused: what the receiver said, and when the stream asks again (monotonic). */
  readonly pause: { readonly code: string; readonly text: string; readonly untilMs: number } | undefined;
  readonly hold: HoldRow | undefined;
  readonly unacknowledged: number;
  readonly acknowledged: number;
  /** Monotonic. */
  readonly lastAcknowledgedMs: number | undefined;
  readonly epoch: string | undefined;
  /** What went wrong here (the store), while `failed`, and when it is tried again (monotonic). */
  readonly failure: { readonly text: string; readonly retryAtMs: number | undefined } | undefined;
}

/** Shared by all streams of one link, so that together they keep within its window and take turns. */
export interface LinkCredit {
  /** Bytes that may be taken now; the stream gives them back when they were acknowledged or given up. */
  take(bytes: number): boolean;
  give(bytes: number): void;
  /** Runs `send` in turn with the other streams of the link; it answers true when it has more to send. */
  schedule(send: () => boolean): void;
}

/** Told to the log and to whoever watches; never silently. */
export interface StreamEvent {
  readonly event: ReconcileEvent;
  readonly queue: string;
  readonly peer: string;
  readonly text: string;
}

/** The receiver's end of all streams of this machine (`incoming-streams.ts`). One value per queue manager. */
export interface IncomingStreams {
  /** Frames ATTACH and DATA of an inbound link. */
  frame(link: Link, frame: Frame): void;
  /** The link is closed: its streams are free for the next attach once their unit under way has ended. */
  closed(link: Link): void;
  /** Machines that had sent here when the queue manager opened. */
  readonly knownSenders: readonly string[];
  describe(link: Link): readonly { readonly queue: string; readonly last: number; readonly received: number }[];
  stop(): Promise<void>;
}
