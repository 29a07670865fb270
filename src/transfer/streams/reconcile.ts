/**
 * What the sender does when the receiver has told where a stream stands (guarantees-and-faults.md 5.3). Pure.
 *
 * The answer of an ATTACH is the only place where a message may be taken for delivered without having been acknowledged on
 * this link, so the digest decides: a sequence that both stores know under different messages is never an acknowledgement.
 */
export function reconcile(sender: SenderView, receiver: ReceiverView): Decision {
  if (receiver.last === undefined) return reconcileUnknown(sender, receiver);
  if (receiver.last < sender.acked) return { kind: 'newEpoch', event: 'PEER_LOST_DATA', marksPossibleDuplicates: true };
  const own = sender.digestAt(receiver.last);
  if (own === undefined || own !== receiver.digest) {
    return { kind: 'newEpoch', event: 'STREAM_REGRESSION', marksPossibleDuplicates: true };
  }
  return { kind: 'resume', acknowledgedUpTo: receiver.last };
}

function reconcileUnknown(sender: SenderView, receiver: ReceiverView): Decision {
  const isSameStore = sender.peerStoreId === undefined || sender.peerStoreId === receiver.storeId;
  if (!isSameStore) return { kind: 'newEpoch', event: 'PEER_STORE_REPLACED', marksPossibleDuplicates: true };
  if (sender.acked === 0) return { kind: 'resume', acknowledgedUpTo: 0 };
  // It confirmed messages of this epoch once and has no trace of it: it went back to before the stream began.
  return { kind: 'newEpoch', event: 'PEER_LOST_DATA', marksPossibleDuplicates: true };
}

export interface SenderView {
  readonly acked: number;
  readonly peerStoreId: string | undefined;
  /** The digest at a sequence of this epoch, from `acked` to the last message that exists; undefined beyond. */
  digestAt(seq: number): string | undefined;
}

export interface ReceiverView {
  readonly storeId: string;
  readonly last: number | undefined;
  readonly digest: string | undefined;
}

export type Decision =
  /** Everything up to there has arrived; what follows is sent (again) in this epoch. */
  | { readonly kind: 'resume'; readonly acknowledgedUpTo: number }
  /** The numbering begins anew; what may have been sent is marked as a possible duplicate. */
  | { readonly kind: 'newEpoch'; readonly event: ReconcileEvent; readonly marksPossibleDuplicates: boolean };

export type ReconcileEvent = 'PEER_LOST_DATA' | 'STREAM_REGRESSION' | 'PEER_STORE_REPLACED';
