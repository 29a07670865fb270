/**
 * What is durable of the streams, as key-value state, written in the units that move the messages.
 *
 *   outgoing-stream/QUEUE@MACHINE          OutgoingRow   at the sender
 *   sent-up-to/QUEUE@MACHINE               a position    at the sender; the queue manager's, which locks by it at open
 *   outgoing-hold/QUEUE@MACHINE            HoldRow       at the sender: an operator's hold
 *   incoming-stream/STORE/QUEUE/EPOCH      IncomingRow   at the receiver; STORE is the sender's
 *
 * The numbers of one epoch at the sender. Messages lie in the outgoing queue in ascending position; the k-th of them that
 * is not acknowledged has the sequence `ackedSeq + k`. That numbering is never written down per message: it holds
 * because nothing at or below `sentUpTo` leaves the queue except by acknowledgement, and nothing is sent out of order.
 *
 *     ... gone | acked | sent, outcome unknown ............ | never sent: may expire, be purged or moved
 *              ackedSeq                                 sentUpTo (a position, reserved ahead)
 *
 * Order of syncs
 * 1  `sentUpTo` covers a message before a frame with it leaves.
 * 2  At the receiver the messages, `last` and `digest` are one unit; ACKED goes after its sync.
 * 3  At the sender the removal of the acknowledged messages and `ackedSeq` are one unit, after ACKED arrived.
 * 4  A new epoch is durable before its first ATTACH.
 */
export interface OutgoingRow {
  readonly epoch: string;
  /** Sequence and digest up to which the receiver has confirmed, and this store has removed. */
  readonly ackedSeq: number;
  readonly ackedDigest: string;
  /** Messages at or below this position may have reached a store that is gone: sent in an epoch that was given up. */
  readonly possibleDuplicateUpTo: number;
  /** The receiver's store, once it was met. */
  readonly peerStoreId: string | undefined;
  /** Given up, latest last; told to the receiver, at most 16. */
  readonly formerEpochs: readonly string[];
}

export interface HoldRow {
  readonly reason: 'OPERATOR' | 'RESYNC_NEEDED';
  /** Who, or what happened. */
  readonly by: string;
  /** Unix time, for display. */
  readonly sinceMs: number;
}

export interface IncomingRow {
  /** Highest sequence that was enqueued or refused for good, and the digest there. */
  readonly last: number;
  readonly digest: string;
  /** Refused for good and not known to be settled at the sender. */
  readonly refused: readonly { readonly seq: number; readonly code: string; readonly text: string }[];
  /** The sender's machine name, to know whom to dial when our own address changes. */
  readonly machine: string;
  /** Steady time of the last message, later than all stamps of the stream before; 0: none came. */
  readonly usedMs: number;
  /** Steady time since when the sender has given this epoch up; absent while it lives. Forgotten 30 days later. */
  readonly retiredMs?: number;
  /** Highest sequence whose refusal the sender had settled, and which was forgotten here because of that. */
  readonly forgottenRefusalSeq?: number;
  /** The sender attached with this epoch and did not know of a later one: its store went back in time (former-epochs.ts). */
  readonly wentBack?: true;
}

export const OUTGOING_STREAM_PREFIX = 'outgoing-stream/';
export const OUTGOING_HOLD_PREFIX = 'outgoing-hold/';
export const INCOMING_STREAM_PREFIX = 'incoming-stream/';

export function incomingKey(storeId: string, queue: string, epoch: string): string {
  return `${INCOMING_STREAM_PREFIX}${storeId}/${queue}/${epoch}`;
}
