import type { Link } from '../links/link.ts';
import type { DetachCode } from '../wire/frames.ts';

/**
 * One channel of an inbound link on which a stream is attached.
 *
 *     loading ──ATTACHED──▶ open ──DETACHED | taken over | link closed──▶ ended
 *        └────────────────────────────────────────────────────────────────▲
 *
 * Once ended it says nothing more, and what still comes in on it is dropped: it was sent before the sender knew.
 */
export class IncomingAttachment {
  readonly link: Link;
  readonly channel: number;
  readonly machine: string;
  state: 'loading' | 'open' | 'ended' = 'loading';
  received = 0;

  constructor(link: Link, channel: number) {
    this.link = link;
    this.channel = channel;
    this.machine = link.peer.machine;
  }

  /** The sender is to attach again after `retryAfterMs`. */
  detach(code: DetachCode, text: string, retryAfterMs: number): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.link.send({ type: 'detached', channel: this.channel, code, text, retryAfterMs });
  }
}
