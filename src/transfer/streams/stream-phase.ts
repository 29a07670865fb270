import type { Timer } from '../../io/io.ts';
import type { Link } from '../links/link.ts';
import type { Attached } from '../wire/frames.ts';
import type { DataSender } from './data-sender.ts';
import type { LinkCredit, StreamView } from './stream.ts';

/** Where an outgoing stream stands; outgoing-stream.ts draws the moves. */
export type Phase =
  | { readonly kind: 'detached' }
  | { readonly kind: 'beginning' | 'attaching' | 'attached' }
  | { readonly kind: 'settling'; readonly answer: Attached }
  | { readonly kind: 'paused'; readonly pause: NonNullable<StreamView['pause']>; readonly timer: Timer };

export interface Attachment {
  readonly link: Link;
  readonly channel: number;
  readonly credit: LinkCredit;
  /** While attached. */
  sender: DataSender | undefined;
}

export const DETACHED: Phase = { kind: 'detached' };
export const BEGINNING: Phase = { kind: 'beginning' };
export const ATTACHING: Phase = { kind: 'attaching' };
export const ATTACHED: Phase = { kind: 'attached' };
