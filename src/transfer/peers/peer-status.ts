import type { Link } from '../links/link.ts';
import type { OutgoingStatus } from '../outgoing-status.ts';
import type { Reason } from '../reasons.ts';
import type { AttemptHistory } from './attempt-history.ts';
import { type DialFailure, isRefusal } from './dial-failure.ts';
import { type PeerStream, wantsLink } from './peer-stream.ts';

/** What an operator sees of one outgoing queue, without what only its store and its hold know. */
export type PeerStatus = Omit<OutgoingStatus, 'oldestAgeMs'>;

/** What a peer does at the moment. */
export interface PeerView {
  readonly machine: string;
  readonly name: string;
  readonly port: number;
  /** Used, or tried last. */
  readonly address: string | undefined;
  readonly doing:
    | { readonly kind: 'idle' | 'stopped' }
    | { readonly kind: 'resolving' | 'connecting'; readonly text: string }
    | { readonly kind: 'waiting'; readonly untilMs: number }
    | { readonly kind: 'connected'; readonly link: Pick<Link, 'isEncrypted' | 'heardMs'> };
  readonly lastFailure: DialFailure | undefined;
  readonly attempt: number;
  readonly history: AttemptHistory;
}

/** A reason stands beside every state but CONNECTED; while an attempt runs it is that of the one before, if that failed. */
export function describePeerStream(peer: PeerView, peerStream: PeerStream, nowMs: number): PeerStatus {
  const { queue, stream } = peerStream;
  const { unacknowledged, acknowledged, lastAcknowledgedMs, epoch } = stream.view;
  return {
    queue: queue.name,
    machine: peer.machine,
    ...stateOf(peer, peerStream, nowMs),
    nextHop: { name: peer.name, address: peer.address, port: peer.port },
    messages: queue.messages,
    bytes: queue.bytes,
    delayed: queue.delayed,
    unacknowledged,
    acknowledged,
    lastAcknowledgedAgoMs: lastAcknowledgedMs === undefined ? undefined : nowMs - lastAcknowledgedMs,
    epoch,
    attempt: peer.attempt,
    attempts: peer.history.latest,
    attemptCounts: peer.history.counts,
  };
}

type StateFields = Pick<OutgoingStatus, 'state' | 'reason' | 'text' | 'nextAttemptInMs'>;

function stateOf(peer: PeerView, peerStream: PeerStream, nowMs: number): StateFields {
  const { stream } = peerStream;
  const { state, failure, hold } = stream.view;
  if (peer.doing.kind === 'stopped') {
    return {
      state: 'SHUTTING_DOWN',
      reason: 'SHUTDOWN',
      text: 'This queue manager stops.',
      nextAttemptInMs: undefined,
    };
  }
  if (hold !== undefined) {
    const since = new Date(hold.sinceMs).toISOString();
    const text = hold.reason === 'OPERATOR' ? `Held by ${hold.by} since ${since}.` : hold.by;
    return { state: 'ON_HOLD', reason: hold.reason, text, nextAttemptInMs: undefined };
  }
  if (state === 'failed') {
    const nextAttemptInMs = failure?.retryAtMs === undefined ? undefined : Math.max(0, failure.retryAtMs - nowMs);
    const next = nextAttemptInMs === undefined ? '' : ` Tried again in ${seconds(nextAttemptInMs)}.`;
    const text = `The store of this machine: ${failure?.text ?? 'it failed.'}${next}`;
    return { state: 'WAITING', reason: 'LOCAL_STORE', text, nextAttemptInMs };
  }
  if (peer.doing.kind === 'connected') return onLink(peer, peer.doing.link, peerStream, nowMs);
  if (state === 'paused' && !wantsLink(peerStream, nowMs)) return paused(peer, peerStream, nowMs);
  return stream.needsLink ? withoutLink(peer, nowMs) : nothingToSend('Nothing to send; no link.');
}

function onLink(
  peer: PeerView,
  { isEncrypted, heardMs }: Pick<Link, 'isEncrypted' | 'heardMs'>,
  peerStream: PeerStream,
  nowMs: number,
): StateFields {
  const { stream } = peerStream;
  const { state, unacknowledged, lastAcknowledgedMs } = stream.view;
  const place = `${peer.machine} at ${peer.address}, port ${peer.port}${isEncrypted ? '' : ', without TLS'}`;
  if (state === 'paused') return paused(peer, peerStream, nowMs);
  if (state === 'attached') {
    const last =
      lastAcknowledgedMs === undefined ? '' : `, last acknowledged ${seconds(nowMs - lastAcknowledgedMs)} ago`;
    const quietMs = nowMs - heardMs;
    const quiet = unacknowledged > 0 && quietMs >= QUIET_TOLD_MS ? `, nothing heard for ${seconds(quietMs)}` : '';
    const text = `Connected to ${place}: ${unacknowledged} on the way${last}${quiet}.`;
    return { state: 'CONNECTED', reason: undefined, text, nextAttemptInMs: undefined };
  }
  if (!stream.needsLink) return nothingToSend(`Nothing to send; a link to ${place} is there.`);
  return {
    state: 'CONNECTING',
    reason: peer.lastFailure?.reason,
    text: `Connected to ${place}; the two sides settle where the stream stands.`,
    nextAttemptInMs: undefined,
  };
}

function withoutLink(peer: PeerView, nowMs: number): StateFields {
  const { doing, lastFailure, attempt } = peer;
  const before = lastFailure === undefined ? '' : `; before: ${lastFailure.text}`;
  if (doing.kind === 'resolving' || doing.kind === 'connecting') {
    return {
      state: doing.kind === 'resolving' ? 'RESOLVING' : 'CONNECTING',
      reason: lastFailure?.reason,
      text: `${capital(doing.text)} (attempt ${attempt})${before}.`,
      nextAttemptInMs: undefined,
    };
  }
  // A stream that wants a link makes an idle peer begin in the same turn; what is seen before that is about to begin.
  const inMs = doing.kind === 'waiting' ? Math.max(0, doing.untilMs - nowMs) : 0;
  return {
    state: lastFailure !== undefined && isRefusal(lastFailure.reason) ? 'REFUSED' : 'WAITING',
    reason: lastFailure?.reason ?? 'NOTHING_TO_SEND',
    text: `${lastFailure?.text ?? `${peer.machine} is dialled next`}; next try in ${seconds(inMs)} (attempt ${attempt}).`,
    nextAttemptInMs: inMs,
  };
}

function paused(peer: PeerView, { stream }: PeerStream, nowMs: number): StateFields {
  const { pause } = stream.view;
  const inMs = pause === undefined ? 0 : Math.max(0, pause.untilMs - nowMs);
  return {
    state: 'PAUSED_BY_PEER',
    reason: PAUSE_REASONS[pause?.code ?? ''] ?? 'RESYNCHRONIZING',
    text: `${peer.machine} says: ${(pause?.text ?? '').replace(/[.\s]+$/, '')}; asked again in ${seconds(inMs)}.`,
    nextAttemptInMs: inMs,
  };
}

function nothingToSend(text: string): StateFields {
  return { state: 'IDLE', reason: 'NOTHING_TO_SEND', text, nextAttemptInMs: undefined };
}

/** With messages on the way, an answer is asked for after 2 s. */
const QUIET_TOLD_MS = 3000;

/** By `DetachCode`; what is not here (out of sequence, taken over) settles itself with the next ATTACH. */
const PAUSE_REASONS: Readonly<Record<string, Reason>> = {
  QUEUE_FULL: 'QUEUE_FULL',
  STORE_FULL: 'STORE_FULL',
  BUSY: 'BUSY',
  QUEUE_NOT_YET_THERE: 'QUEUE_NOT_YET_THERE',
  STORE_RECOVERING: 'STORE_RECOVERING',
};

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
