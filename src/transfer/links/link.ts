import type { Frame, Identity } from '../wire/frames.ts';

/**
 * A connection to another machine after both sides know who the other is. `open-link.ts` makes one by dialing,
 * `accept-link.ts` by accepting; `framed-link.ts` is what both make.
 *
 *     (handshake) ──▶ open ──close() | Closing received | broken | silent──▶ closed
 *
 * Invariants
 * - No link exists before the other side's identity was checked: the machine wanted, its certificate, its version. So
 *   whoever holds a link may send (G-T8).
 * - Frames arrive in the order sent, whole and checked, or the link is closed with MALFORMED.
 * - The link asks for a sign of life by itself: after 2 s of silence while `expectsAnswers`, after 5 s otherwise. The first
 *   answer that stays out for 2 s is told (`silent`); with 8 s of silence (15 s when idle) the link is dead and closes.
 */
export interface Link {
  readonly role: 'dialer' | 'acceptor';
  readonly peer: Identity;
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly isEncrypted: boolean;
  readonly isOpen: boolean;
  /** Monotonic time at which the handshake ended. */
  readonly sinceMs: number;
  /** Monotonic time of the last bytes that came in. */
  readonly heardMs: number;
  /** Bytes handed over and not yet taken by the system. */
  readonly waitingBytes: number;
  /** Set by whoever has unacknowledged data on it. */
  expectsAnswers: boolean;
  /** Queues the frame; what is queued in one turn goes out as one write. Ignored once closed. */
  send(frame: Frame): void;
  /** Slows the other side down, and lets it go on. */
  pauseReading(): void;
  resumeReading(): void;
  /** Asks for a sign of life now; resolves with the round trip in ms and the clock there, rejects when the link closes. */
  ping(): Promise<{ readonly roundTripMs: number; readonly wallMs: number }>;
  /** Sends CLOSING, then closes when what was queued is out (or after 1 s). Twice is harmless. */
  close(code: LinkEnd['code'], text: string): void;
  /** Must be set once, in the turn in which the link was handed over. */
  listen(handlers: LinkHandlers): void;
}

export interface LinkHandlers {
  frame(frame: Frame): void;
  /** All queued bytes were taken by the system. */
  drained(): void;
  /** The first sign of life that was asked for stays out. */
  silent(): void;
  /** Once. */
  closed(end: LinkEnd): void;
}

export interface LinkEnd {
  readonly code:
    | 'IDLE'
    | 'SHUTTING_DOWN'
    | 'REPLACED'
    | 'DONE'
    | 'MALFORMED'
    | 'OPERATOR'
    /** Nothing was heard for too long. */
    | 'PEER_SILENT'
    | 'RESET'
    /** The other side closed without a word. */
    | 'ENDED';
  readonly text: string;
  /** True when this side ended it. */
  readonly isOurs: boolean;
}
