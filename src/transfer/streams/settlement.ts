import type { OutgoingQueue } from '../../queues/transfer-door.ts';
import type { Attached, Identity } from '../wire/frames.ts';
import type { OutgoingLedger } from './outgoing-ledger.ts';
import { type Decision, reconcile } from './reconcile.ts';
import type { StreamEvent } from './stream.ts';
import { describeEvent } from './stream-event-text.ts';
import type { HoldRow } from './stream-rows.ts';

/** Begins the unit of work that follows from the receiver's ATTACHED, and tells how the stream goes on after it. */
export function settle(answer: Attached, parts: SettlementParts): Settlement {
  const { ledger, peer } = parts;
  const known = {
    acked: ledger.ackedSeq,
    peerStoreId: ledger.row?.peerStoreId,
    digestAt: (seq: number) => ledger.sent.digestAt(seq),
  };
  const decision = reconcile(known, { storeId: peer.storeId, last: answer.last, digest: answer.digest });
  if (decision.kind === 'newEpoch') return beginAnew(decision, answer, parts);
  const seq = decision.acknowledgedUpTo;
  const acknowledgedCount = seq - ledger.ackedSeq;
  const isNews = acknowledgedCount > 0 || known.peerStoreId !== peer.storeId;
  // The store that was met is durable before the first message goes to it: should it be replaced, that is noticed.
  const unit = isNews ? ledger.acknowledge(seq, { refused: answer.refused, peerStoreId: peer.storeId }) : undefined;
  return { kind: 'resumed', unit, acknowledgedCount };
}

function beginAnew(
  decision: Decision & { readonly kind: 'newEpoch' },
  answer: Attached,
  parts: SettlementParts,
): Settlement {
  const { ledger, peer, queue } = parts;
  const text = describeEvent(decision.event, { queue: queue.name, peer, answer, row: ledger.row });
  const event = { event: decision.event, queue: queue.name, peer: peer.machine, text };
  if (decision.event === 'PEER_STORE_REPLACED' && parts.onReplacedStore === 'hold') {
    const hold: HoldRow = { reason: 'RESYNC_NEEDED', by: text, sinceMs: parts.wallMs };
    return { kind: 'held', unit: ledger.setHold(hold), event };
  }
  // A store that went back in time does not know what it had sent: everything it holds may have been.
  const mark = decision.event === 'STREAM_REGRESSION' ? queue.highestPosition() : (ledger.sent.lastPosition ?? 0);
  return { kind: 'newEpoch', unit: ledger.newEpoch(mark, peer.storeId), event };
}

export interface SettlementParts {
  readonly ledger: OutgoingLedger;
  readonly queue: OutgoingQueue;
  readonly peer: Identity;
  readonly onReplacedStore: 'resend' | 'hold' | undefined;
  readonly wallMs: number;
}

export type Settlement =
  /** What was not acknowledged by it did not arrive; `unit` undefined: nothing is to be written. */
  | { readonly kind: 'resumed'; readonly unit: Promise<void> | undefined; readonly acknowledgedCount: number }
  /** To be attached again. */
  | { readonly kind: 'newEpoch'; readonly unit: Promise<void>; readonly event: StreamEvent }
  /** An operator decides. */
  | { readonly kind: 'held'; readonly unit: Promise<void>; readonly event: StreamEvent };
