import type { Attached, Identity } from '../wire/frames.ts';
import type { ReconcileEvent } from './reconcile.ts';
import type { OutgoingRow } from './stream-rows.ts';

/** What reconciliation found, in words for an operator: what happened, with the numbers, and what follows from it. */
export function describeEvent(event: ReconcileEvent, about: EventSubject): string {
  const { queue, peer, answer, row } = about;
  const acked = row?.ackedSeq ?? 0;
  const again =
    'Messages that were sent and not confirmed are sent again, marked as possible duplicates; the stream begins a new epoch.';
  switch (event) {
    case 'PEER_LOST_DATA': {
      const known = answer.last ?? 0;
      return `'${peer.machine}' had confirmed ${acked} messages for ${queue} and knows of ${known}: its store went back in time, and what it had taken after that is gone from there. ${again}`;
    }
    case 'STREAM_REGRESSION':
      return `'${peer.machine}' has taken messages for ${queue} that this store does not know to have sent: this store went back in time (a backup was restored), or was copied. Every message that waits for it is sent in a new epoch, marked as a possible duplicate.`;
    case 'PEER_STORE_REPLACED':
      return `'${peer.machine}' has another store than before (${peer.storeId}, it was ${row?.peerStoreId ?? 'unknown'}): what waited or was confirmed there for ${queue} is gone from there. ${again}`;
    default:
      return event satisfies never;
  }
}

export interface EventSubject {
  readonly queue: string;
  readonly peer: Identity;
  readonly answer: Attached;
  readonly row: OutgoingRow | undefined;
}
