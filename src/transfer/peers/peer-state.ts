import type { Timer } from '../../io/io.ts';
import type { AttemptRound } from './attempt-round.ts';
import type { HeldLink } from './held-link.ts';
import type { PeerView } from './peer-status.ts';

/** Where a peer stands; the drawing is in peer.ts. */
export type PeerState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'trying'; readonly round: AttemptRound }
  | { readonly kind: 'waiting'; readonly untilMs: number; readonly timer: Timer }
  | { readonly kind: 'connected'; readonly held: HeldLink }
  | { readonly kind: 'stopped' };

export function doingOf(state: PeerState): PeerView['doing'] {
  if (state.kind === 'trying') return { kind: state.round.phase, text: state.round.text };
  if (state.kind === 'connected') return { kind: 'connected', link: state.held.on.link };
  return state;
}

/** At the latest; see `NameWatch.every`. While addresses are dialled, those that the name gets meanwhile join. */
export const LOOK_EVERY_MS = {
  idle: undefined,
  trying: 3000,
  waiting: 9000,
  connected: 36_000,
  stopped: undefined,
} as const satisfies Record<PeerState['kind'], number | undefined>;
